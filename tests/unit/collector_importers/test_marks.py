"""An import that is killed goes on where it was: nothing is lost, nothing is sent twice, changed files are refused."""

from __future__ import annotations

import gzip
import json
import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.importers import Advance, ColumnMapping, ImportReport, Resumption, import_file
from core import ManualClock
from core.errors import Conflict, Unavailable

TEXT = "case,step,time\n" + "".join(f"{n % 7},a{n},2020-01-01\n" if n % 10 else "broken\n" for n in range(1, 60))
MAPPING = ColumnMapping.model_validate(
    {"stream": "s", "columns": {"case": "case", "activity": "step", "timestamp": "time"}}
)


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill; it is not promised that files are closed."""


class Place:
    """A folder, a sink that can die, and what it took."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        self.folder, self.clock = folder, clock
        self.file = folder / "log.csv"
        self.file.write_text(TEXT)
        self.batches: list[bytes] = []
        self.die_before: int | None = None
        self.die_after: int | None = None

    def sink(self, payload: bytes, items: int) -> int:
        if self.die_before == len(self.batches):
            raise Killed
        self.batches.append(payload)
        if self.die_after == len(self.batches):
            raise Killed
        return items if len(self.batches) == 2 else 0

    def run(self, mapping: ColumnMapping = MAPPING, *, file: Path | None = None, **options: Any) -> ImportReport:
        told = {key: options.pop(key) for key in ("target", "restart", "stored") if key in options}
        resume = Resumption(self.folder / "marks", **{"target": "here", **told})
        more = {"clock": self.clock, "quarantine": self.folder / "quarantine", "batch_records": 5, **options}
        return import_file(file or self.file, mapping, self.sink, resume=resume, **more)

    def killed(self, *, before: int | None = None, after: int | None = None, **options: Any) -> None:
        """Runs until the batch of this number; before it, or after it was taken and not yet marked."""
        self.die_before, self.die_after = before, after
        with pytest.raises(Killed):
            self.run(**options)
        self.die_before = self.die_after = None
        self.clock.advance(60)

    def marks(self) -> list[Path]:
        return sorted((self.folder / "marks").iterdir())


@pytest.fixture
def place(tmp_path: Path, clock: ManualClock) -> Place:
    return Place(tmp_path, clock)


def whole(folder: Path, clock: ManualClock) -> tuple[ImportReport, list[bytes], str]:
    """An import that nobody interrupted."""
    folder.mkdir()
    other = Place(folder, clock)
    report = other.run()
    return report, other.batches, (folder / "quarantine" / "log.csv.rejected.jsonl").read_text()


@pytest.mark.parametrize("batch", range(11))
def test_killed_between_two_batches(place: Place, tmp_path: Path, clock: ManualClock, batch: int) -> None:
    """The batches are the same, byte for byte, and so are the report and the quarantine file."""
    wanted, batches, refused_rows = whole(tmp_path / "whole", clock)
    place.killed(before=batch)
    report = place.run()
    assert place.batches == batches
    assert report.resumed == batch * 5
    assert (tmp_path / "quarantine" / "log.csv.rejected.jsonl").read_text() == refused_rows
    same = {"resumed": 0, "elapsed_s": 0.0, "quarantine_file": None}
    assert replace(report, **same) == replace(wanted, **same)
    assert place.marks() == [], "a finished import leaves nothing behind"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(kills=st.lists(st.tuples(st.booleans(), st.integers(0, 10)), max_size=6))
def test_killed_anywhere_any_number_of_times(
    tmp_path_factory: pytest.TempPathFactory, clock: ManualClock, kills: list[tuple[bool, int]]
) -> None:
    """What was in doubt is sent again byte for byte and nothing else is; asked for, it is not sent again."""
    folder = tmp_path_factory.mktemp("kills")
    _, batches, _ = whole(folder / "whole", clock)
    place = Place(folder, clock)
    doubled = 0
    for after, number in kills:
        place.die_before, place.die_after = (None, number) if after else (number, None)
        try:
            place.run()
        except Killed:
            doubled += after
        else:
            place.batches.clear()
            doubled = 0
    place.die_before = place.die_after = None
    place.run()
    assert list(dict.fromkeys(place.batches)) == list(dict.fromkeys(batches))
    assert len(place.batches) <= len(batches) + doubled


def test_a_batch_in_doubt_is_asked_for(place: Place, tmp_path: Path, clock: ManualClock) -> None:
    """The one that was taken before the mark could say so; the store answers by its first record."""
    _, batches, _ = whole(tmp_path / "whole", clock)
    place.killed(after=3)
    asked: list[tuple[str, int]] = []

    def stored(event_id: str, time_ns: int) -> bool:
        asked.append((event_id, time_ns))
        return True

    place.run(stored=stored)
    assert place.batches == batches
    assert [(event.split(":")[1], time) for event, time in asked] == [("12", 1_577_836_800 * 10**9)]


def test_a_batch_that_is_not_in_the_store_is_sent(place: Place, tmp_path: Path, clock: ManualClock) -> None:
    _, batches, _ = whole(tmp_path / "whole", clock)
    place.killed(before=3)
    place.run(stored=lambda *_: False)
    assert place.batches == batches


def test_refusals_of_the_earlier_run_are_in_the_report(place: Place) -> None:
    place.killed(before=4)
    assert place.run().refused == 5


def test_a_finished_import_is_repeated_from_its_start(place: Place) -> None:
    place.run()
    place.run()
    assert place.batches[:11] == place.batches[11:]


def test_an_error_of_the_sink_leaves_the_mark(place: Place) -> None:
    """A service that is away ends the import; the next one goes on."""

    def away(payload: bytes, items: int) -> None:
        raise Unavailable("the log is full")

    with pytest.raises(Unavailable):
        import_file(
            place.file, MAPPING, away, clock=place.clock, quarantine=place.folder,
            batch_records=5, resume=Resumption(place.folder / "marks", "here"),
        )  # fmt: skip
    assert place.run().events == 54


def test_a_changed_file_is_refused(place: Place) -> None:
    place.killed(before=2)
    place.file.write_text(TEXT + "1,a,2020-01-01\n")
    with pytest.raises(
        Conflict, match=r"log.csv has changed since its import was interrupted after 10 events.*--restart"
    ):
        place.run()
    assert len(place.batches) == 2
    assert place.run(restart=True).resumed == 0
    assert place.marks() == []


def test_other_options_are_refused(place: Place) -> None:
    place.killed(before=2)
    other = MAPPING.model_copy(update={"timezone": "Europe/Berlin"})
    with pytest.raises(Conflict, match="with other options was interrupted after 10 events"):
        place.run(other)
    assert place.run(other, restart=True).resumed == 0


def test_another_place_or_stream_is_another_import(place: Place) -> None:
    place.killed(before=2)
    assert place.run(target="there").resumed == 0
    assert place.run(MAPPING.model_copy(update={"stream": "t"})).resumed == 0
    assert place.run().resumed == 10


def test_the_same_content_goes_on_under_another_name(place: Place) -> None:
    place.killed(before=2)
    moved = place.folder / "moved.csv.gz"
    moved.write_bytes(gzip.compress(TEXT.encode()))
    assert place.run(file=moved).resumed == 10


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 99}', "\x00" * 100])
def test_a_mark_that_cannot_be_read_is_told(place: Place, text: str) -> None:
    place.killed(before=2)
    (mark,) = [path for path in place.marks() if path.suffix == ".json"]
    mark.write_text(text)
    with pytest.raises(Conflict, match=r"how far log.csv got cannot be read; import it again with --restart"):
        place.run()
    place.run(restart=True)


def test_a_mark_of_another_release_is_told(place: Place) -> None:
    place.killed(before=2)
    (mark,) = [path for path in place.marks() if path.suffix == ".json"]
    mark.write_text(json.dumps(json.loads(mark.read_text()) | {"version": 99}))
    with pytest.raises(Conflict, match="cannot be read"):
        place.run()


def test_a_mark_that_cannot_be_kept_is_told(place: Place) -> None:
    (place.folder / "marks").write_text("a file where a folder should be")
    with pytest.raises(Unavailable, match=r"the mark of the import in .* cannot be kept"):
        place.run()
    assert not place.batches


def test_a_file_that_changes_while_it_is_read_is_noticed(place: Place) -> None:
    """Before the next batch goes out; what was read from the old file is in, and the mark stays."""

    def grow(now: Advance) -> None:
        if len(place.batches) == 2:
            place.file.write_text(TEXT * 2)

    with pytest.raises(Conflict, match=r"has changed while it was imported"):
        place.run(progress=grow)
    assert len(place.batches) == 2
    with pytest.raises(Conflict, match="has changed since its import was interrupted after 10 events"):
        place.run()


def _hold(folder: Path, ready: Any, done: Any) -> None:
    """In another process: an import that waits in its first batch."""
    from datetime import UTC, datetime

    place = Place(folder, ManualClock(datetime(2026, 3, 2, tzinfo=UTC)))

    def wait(payload: bytes, items: int) -> None:
        ready.set()
        done.wait(30)

    import_file(
        place.file, MAPPING, wait, clock=place.clock, quarantine=folder, batch_records=5,
        resume=Resumption(folder / "marks", "here"),
    )  # fmt: skip


def test_two_processes_do_not_import_the_same(place: Place) -> None:
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(place.folder, ready, done))
    other.start()
    try:
        assert ready.wait(30)
        with pytest.raises(Conflict, match=r"log.csv is being imported by another process"):
            place.run()
    finally:
        done.set()
        other.join(30)
    assert other.exitcode == 0
