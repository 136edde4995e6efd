"""Event logs as strangers write them, each with what is in it: modelled on the quirks of published logs.

Every function writes a file and returns a `Log`. Its steps stand in the order of the file's rows; the mapping is what a
person would write who looks at the file.
"""

from __future__ import annotations

import csv
import gzip
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any
from xml.sax.saxutils import quoteattr

import pyarrow as pa
import pyarrow.parquet as pq

from tests.integration.oracle_log import NS, Step

DAY = 86_400 * NS
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Log:
    """A file, how it is imported, and the truth; `loose`: events that are in no case."""

    file: Path
    steps: list[Step]
    options: Sequence[str] = ()
    mapping: str = ""
    broken: int = 0
    skipped: int = 0
    loose: int = 0


Writer = Callable[[Path], Log]
LOGS: dict[str, Writer] = {}


def log(writer: Writer) -> Writer:
    """Registers a log under its function's name."""
    LOGS[writer.__name__.replace("_", "-")] = writer
    return writer


def ns(year: int, *more: int) -> int:
    """A moment in UTC."""
    since = datetime(year, *more, tzinfo=UTC) - EPOCH  # type: ignore[misc]
    return (since.days * 86_400 + since.seconds) * NS


def told(at: int, zone: timezone = UTC, digits: int = 0) -> str:
    """ISO 8601 with an offset and so many digits of the second."""
    moment = EPOCH + timedelta(seconds=at // NS)
    text = moment.astimezone(zone).isoformat()
    fraction = f".{at % NS:09d}"[: digits + 1] if digits else ""
    return text[:19] + fraction + text[19:]


def walk(
    seed: int, cases: int, names: Sequence[str], *, since: int = ns(2015, 1, 1), tick: int = NS, often: int = 3,
    spread: int = 300 * DAY,
) -> list[Step]:  # fmt: skip
    """Cases one after the other; now and then two steps at the same time, and steps that come again."""
    random = Random(seed)
    steps = []
    for number in range(cases):
        at = since + random.randrange(spread // tick) * tick
        for _ in range(random.randint(1, 2 * often)):
            steps.append(Step(f"case {number}", random.choice(names), at))
            at += random.choice([0, 0, 1, 7, 3_600, 86_400 * 3]) * max(tick, 1)
    return steps


def started(steps: Iterable[Step], seed: int, tick: int = NS) -> list[Step]:
    """With starts: some long before, some at once, some unknown, some after the end, as typing errors have it.

    The last are not those of the latest events: a step that ends before it begins ends where it begins, so it would
    make its case longer.
    """
    random = Random(seed)
    lengths = [0, 0, 60, 3_600, 86_400, -30, None]
    steps = list(steps)
    latest = {one.case: one.at for one in sorted(steps, key=lambda one: one.at)}
    found = []
    for step in steps:
        length = random.choice(lengths)
        start = None if length is None else min(step.at - length * tick, max(step.at, latest[step.case]))
        found.append(Step(step.case, step.name, step.at, start))
    return found


def table(path: Path, rows: Iterable[Sequence[Any]], encoding: str = "utf-8", **dialect: Any) -> Path:
    """Writes CSV."""
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, **dialect).writerows(rows)
    return path


NAMES = ("Create Fine", "Send Fine", "Payment", "Add penalty", "Appeal to Judge")
COLUMNS = ("--case", "case", "--activity", "activity", "--timestamp", "time")


# --- CSV ---


@log
def helpdesk_of_numbers(folder: Path) -> Log:
    """Numbers for cases and activities, slashes in dates, milliseconds that are all zero; columns in capitals."""
    steps = [Step(s.case.removeprefix("case "), s.name, s.at) for s in walk(1, 60, ("1", "8", "6", "9"))]
    rows = [[s.case, s.name, told(s.at)[:19].replace("-", "/").replace("T", " ") + ".000"] for s in steps]
    file = table(folder / "helpdesk.csv", [("CaseID", "ActivityID", "CompleteTimestamp"), *rows])
    return Log(file, steps, ("--case", "CaseID", "--activity", "ActivityID", "--timestamp", "CompleteTimestamp"))


@log
def spreadsheet_of_europe(folder: Path) -> Log:
    """Semicolons, a byte order mark, CRLF, day before month, commas in numbers, line ends and quotes in names."""
    names = ('He said "no"', "two\nlines", "two\r\nlines", "a;b", " blank before", "Prüfung, dann Maß")
    steps = started(walk(2, 60, names, tick=60 * NS), 2, tick=60 * NS)
    form = "%d.%m.%Y %H:%M"

    def moment(at: int | None) -> str:
        return "" if at is None else (EPOCH + timedelta(seconds=at // NS)).strftime(form)

    rows = [[s.case, s.name, moment(s.start), moment(s.at), "1.234,50", ""] for s in steps]
    head = ("Fall", "Vorgang", "Beginn", "Ende", "Betrag", "")
    file = table(folder / "europa.csv", [head, *rows], encoding="utf-8-sig", delimiter=";", quoting=csv.QUOTE_ALL)
    mapping = (
        f'timestamp_format = "{form}"\n[columns]\ncase = "Fall"\nactivity = "Vorgang"\n'
        'start = "Beginn"\ntimestamp = "Ende"\n'
    )
    return Log(file, steps, mapping=mapping)


@log
def purchase_orders(folder: Path) -> Log:
    """Latin-1, day first, dots and a 1948 that nobody meant: its row is out of range and left out."""
    names = ("Créer commande", "Vendor créates invoice", "Réception")
    steps = walk(3, 60, names, since=ns(2018, 1, 1))
    rows = [[f"{s.case}_00010", s.name, (EPOCH + timedelta(seconds=s.at // NS)).strftime("%d-%m-%Y %H:%M:%S.%f")[:-3]]
            for s in steps]  # fmt: skip
    rows.insert(7, ["case 1_00010", "Réception", "26-01-1948 23:59:00.000"])
    file = table(folder / "bpi19.csv", [("case concept:name", "event concept:name", "event time:timestamp"), *rows],
                 encoding="latin-1")  # fmt: skip
    mapping = (
        'encoding = "latin-1"\ntimestamp_format = "%d-%m-%Y %H:%M:%S.%f"\n[columns]\n'
        'case = "case concept:name"\nactivity = "event concept:name"\ntimestamp = "event time:timestamp"\n'
    )
    return Log(file, [Step(f"{s.case}_00010", s.name, s.at) for s in steps], mapping=mapping, broken=1)


@log
def unsorted_with_twins(folder: Path) -> Log:
    """Rows in any order, exact duplicates that are two events, ties that only the row can order, mixed offsets."""
    random = Random(4)
    steps = walk(4, 50, NAMES)
    random.shuffle(steps)
    steps = [s for one in steps for s in ([one, one] if random.random() < 0.2 else [one])]
    zones = [timezone(timedelta(minutes=m)) for m in (0, 60, 120, -300, 345, 765)]
    rows = [[s.case, s.name, told(s.at, random.choice(zones), random.choice([0, 3, 6]))] for s in steps]
    return Log(table(folder / "mixed.csv", [("case", "activity", "time"), *rows]), steps, COLUMNS)


@log
def names_that_hurt(folder: Path) -> Log:
    """Names that look like something else, that differ by a blank or a composition, that are very long."""
    names = (
        "NULL", "null", "\\N", "nan", "None", "''", "a->b", "a", "b", "->", "{stream:String}", "<b>b</b>",
        "[/b]", "[x]", "%s", "\\",
        "\u00e9", "e\u0301", "\u00c9", "a ", " a", "a\tb", "審査", "🦄" * 40, "שלום",
        "x" * 3_000, "x" * 2_999 + "y", "/*filter*/",
        "0", "1.0", "true", "'; DROP TABLE cases; --", "end\\",
    )  # fmt: skip
    steps = [Step(random_case(s.case), s.name, s.at) for s in walk(5, 60, names, often=6)]
    rows = [[s.case, s.name, told(s.at)] for s in steps]
    return Log(table(folder / "names.csv", [("case", "activity", "time"), *rows]), steps, COLUMNS)


def random_case(case: str) -> str:
    """A case id that hurts."""
    number = int(case.split()[1])
    odd = ("0", " 0", "0 ", "00", "../etc", "a/b", "a?b#c", "%2F", "\u00e9", "e\u0301", "c" * 4_000, "c" * 4_000 + "d",
           "NULL", "nan")  # fmt: skip
    return odd[number] if number < len(odd) else case


@log
def epochs(folder: Path) -> Log:
    """Unix time in seconds with a fraction; a column without a name; a blank line at the end."""
    steps = walk(6, 40, NAMES, tick=1_000_000)
    rows = [[row, s.case, s.name, f"{s.at // NS}.{s.at % NS:09d}"] for row, s in enumerate(steps)]
    file = table(folder / "epochs.csv", [("", "case", "activity", "time"), *rows])
    file.write_text(file.read_text() + "\n\n")
    return Log(file, steps, COLUMNS)


@log
def nanoseconds_apart(folder: Path) -> Log:
    """Times that differ in the ninth digit only; zone written as UTC, Z, or behind a blank."""
    steps = walk(7, 40, NAMES, tick=1)
    ways: list[Callable[[str], str]] = [
        lambda t: t.replace("+00:00", "Z"), lambda t: t.replace("+00:00", " UTC"), lambda t: t.replace("T", " "),
        lambda t: t.replace("+00:00", " +0000"), lambda t: t.replace("+00:00", "+00"),
    ]  # fmt: skip
    rows = [[s.case, s.name, ways[row % len(ways)](told(s.at, digits=9))] for row, s in enumerate(steps)]
    return Log(table(folder / "nano.csv", [("case", "activity", "time"), *rows]), steps, COLUMNS)


@log
def a_long_history(folder: Path) -> Log:
    """A case in every third year there is, the first and the last too; others decades long; dates without a time."""
    random = Random(8)
    steps = []
    for year in range(1970, 2262, 3):
        for _ in range(3):
            day = ns(year, random.randint(1, 12), random.randint(2, 28))
            steps.append(Step(f"of {year}", random.choice(NAMES), day))
        steps.append(Step(f"decades {year % 10}", random.choice(NAMES), ns(year, 6, 15)))
    rows = [[s.case, s.name, told(s.at)[:10]] for s in steps]
    return Log(table(folder / "history.csv", [("case", "activity", "time"), *rows]), steps, COLUMNS)


@log
def broken_rows(folder: Path) -> Log:
    """Rows without a case, a step or a time, and midnight written as the end of its day."""
    steps = walk(9, 30, NAMES)
    rows: list[list[str]] = [[s.case, s.name, told(s.at)] for s in steps]
    rows += [["case 1", "Payment", "2015-03-31 24:00:00"]]
    steps.append(Step("case 1", "Payment", ns(2015, 4, 1)))
    bad = [["", "a", told(DAY)], ["  ", "a", told(DAY)], ["c", "", told(DAY)], ["c", "a", ""], ["c", "a", "yesterday"],
           ["c", "a", "2015-02-30"], ["c", "a"], ["c", "a", told(DAY), "more"], ["c", "a", "43831.5"]]  # fmt: skip
    file = table(folder / "broken.csv", [("case", "activity", "time"), *rows, *bad])
    return Log(file, steps, COLUMNS, broken=len(bad))


@log
def a_hundred_attributes(folder: Path) -> Log:
    """As a hospital has it: wide, mostly empty, long activities with commas, days only."""
    steps = walk(10, 40, ("aanname laboratorium", "ligdagen - alle spec.beh.kinderg.-reval.", "ca-125, mbv meia"))
    steps = [Step(s.case, s.name, s.at // DAY * DAY) for s in steps]
    more = [f"Diagnosis code:{number}" for number in range(120)]
    random = Random(10)
    rows = [[s.case, s.name, told(s.at)[:10], *(random.choice(["", "", "", "M13", "ö" * 200]) for _ in more)]
            for s in steps]  # fmt: skip
    file = table(folder / "hospital.csv", [("case", "activity", "time", *more), *rows])
    packed = folder / "hospital.csv.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    return Log(packed, steps, COLUMNS)


@log
def start_and_end(folder: Path) -> Log:
    """Start and end in two columns, tabs between, local times of one zone; starts that are missing or too late."""
    steps = started(walk(11, 80, NAMES, since=ns(2019, 1, 1), spread=20 * DAY, tick=60 * NS), 11, tick=60 * NS)
    zone = timezone(timedelta(hours=-5))

    def moment(at: int | None) -> str:
        return "" if at is None else told(at, zone)[:19].replace("T", " ")

    rows = [[s.case, s.name, moment(s.start), moment(s.at), "7" if s.at % 7 else ""] for s in steps]
    file = table(folder / "purchasing.tsv", [("case", "activity", "from", "time", "who"), *rows], delimiter="\t")
    return Log(file, steps, (*COLUMNS, "--start", "from", "--resource", "who", "--timezone", "Etc/GMT+5"))


@log
def one_huge_case(folder: Path) -> Log:
    """20,000 events of one case, all within twenty seconds, and one of a single event."""
    random = Random(12)
    steps = [Step("huge", random.choice(NAMES), ns(2020, 1, 1) + row // 1_000 * NS) for row in range(20_000)]
    steps.append(Step("tiny", "Payment", ns(2020, 1, 1)))
    rows = [[s.case, s.name, told(s.at)] for s in steps]
    return Log(table(folder / "huge.csv", [("case", "activity", "time"), *rows]), steps, COLUMNS)


# --- Parquet ---


def parquet(folder: Path, name: str, steps: Sequence[Step], times: Any, cases: Any = None, names: Any = None) -> Path:
    """Columns case, activity, time."""
    columns = {
        "case": pa.array([s.case for s in steps]) if cases is None else cases,
        "activity": pa.array([s.name for s in steps]) if names is None else names,
        "time": times,
        "nested": pa.array([{"a": [1, None]} for _ in steps]),
        "__index_level_0__": pa.array(range(len(steps))),
    }
    pq.write_table(pa.table(columns), folder / name, row_group_size=37)
    return folder / name


@log
def frame_of_nanoseconds(folder: Path) -> Log:
    """As pandas writes it: time zone, nanoseconds, categories, whole numbers as cases."""
    steps = [Step(s.case.removeprefix("case "), s.name, s.at) for s in walk(13, 50, NAMES, tick=1)]
    times = pa.array([s.at for s in steps], pa.timestamp("ns", "Europe/Amsterdam"))
    names = pa.array([s.name for s in steps]).dictionary_encode()
    cases = pa.array([int(s.case) for s in steps], pa.int64())
    return Log(parquet(folder, "frame.parquet", steps, times, cases, names), steps, COLUMNS)


@log
def frame_of_microseconds(folder: Path) -> Log:
    """No zone, microseconds, read in a zone without summer time; cases as floats, because one was missing once."""
    steps = [Step(s.case.removeprefix("case "), s.name, s.at) for s in walk(14, 50, NAMES, tick=1_000)]
    times = pa.array([(s.at + 9 * 3_600 * NS) // 1_000 for s in steps], pa.timestamp("us"))
    cases = pa.array([float(s.case) for s in steps], pa.float64())
    file = parquet(folder, "micro.parquet", steps, times, cases)
    return Log(file, steps, (*COLUMNS, "--timezone", "Asia/Tokyo"))


@log
def frame_of_numbers(folder: Path) -> Log:
    """Milliseconds as floats."""
    steps = walk(15, 50, NAMES, tick=1_000_000)
    times = pa.array([float(s.at // 1_000_000) for s in steps], pa.float64())
    return Log(parquet(folder, "floats.parquet", steps, times), steps, COLUMNS)


@log
def frame_of_days(folder: Path) -> Log:
    """Dates."""
    steps = [Step(s.case, s.name, s.at // DAY * DAY) for s in walk(16, 50, NAMES)]
    times = pa.array([s.at // DAY for s in steps], pa.int32()).cast(pa.date32())
    return Log(parquet(folder, "days.parquet", steps, times), steps, COLUMNS)


# --- XES ---


def attribute(key: str, value: str, kind: str = "string", inside: str = "") -> str:
    """An element of XES."""
    return f"<{kind} key={quoteattr(key)} value={quoteattr(value)}>{inside}</{kind}>"


def xes(path: Path, traces: Iterable[tuple[Iterable[str], Iterable[Iterable[str]]]], head: str = "") -> Path:
    """Writes a log; attributes of the trace, then its events' attributes."""
    parts = [f'<?xml version="1.0" encoding="UTF-8" ?>\n<!-- made by hand -->\n<log xes.version="1.0">{head}']
    for own, events in traces:
        parts += ["<trace>", *own, *("<event>" + "".join(event) + "</event>\n" for event in events), "</trace>"]
    text = "".join([*parts, "</log>"]).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def by_case(steps: Iterable[Step]) -> dict[str, list[Step]]:
    """In the order in which cases appear."""
    found: dict[str, list[Step]] = {}
    for step in steps:
        found.setdefault(step.case, []).append(step)
    return found


@log
def traffic_fines(folder: Path) -> Log:
    """Thirteen years of days at midnight, local time with summer time, amounts; packed."""
    steps = walk(17, 150, NAMES, since=ns(2000, 1, 1), spread=4_800 * DAY)
    zone = timezone(timedelta(hours=1))
    steps = [Step(s.case, s.name, s.at // DAY * DAY - 3_600 * NS) for s in steps]
    events = {
        case: [[attribute("concept:name", s.name), attribute("time:timestamp", told(s.at, zone, 3), "date"),
                attribute("amount", "35.0", "float"), attribute("lifecycle:transition", "complete"),
                attribute("notificationType", "P"), attribute("matricola", "")] for s in of]
        for case, of in by_case(steps).items()
    }  # fmt: skip
    traces = (([attribute("concept:name", case)], rows) for case, rows in events.items())
    return Log(xes(folder / "fines.xes.gz", traces), steps)


HEAD = (
    '<extension name="Lifecycle" prefix="lifecycle" uri="http://www.xes-standard.org/lifecycle.xesext"/>'
    '<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>'
    '<global scope="trace"><string key="concept:name" value="__INVALID__"/></global>'
    '<global scope="event"><string key="concept:name" value="__INVALID__"/>'
    '<date key="time:timestamp" value="1970-01-01T00:00:00.000+00:00"/></global>'
    '<classifier name="Activity" keys="concept:name"/>'
    '<classifier name="Both" keys="concept:name \'a key with blanks\' lifecycle:transition"/>'
    '<string key="concept:name" value="the log itself"/>'
    '<list key="meta"><values><int key="n" value="7"/></values></list>'
)


@log
def loans_in_pairs(folder: Path) -> Log:
    """Starts and completions, told apart by instance where there is one; schedules, and nested attributes."""
    steps, traces = [], []
    random = Random(18)
    for case, of in by_case(walk(18, 60, NAMES, since=ns(2016, 1, 1))).items():
        rows = []
        for number, step in enumerate(of):
            start = step.at - random.choice([0, 60, 3_600]) * NS
            found = Step(case, step.name, step.at, start if number % 3 else None)
            for at, transition in ((start, "schedule"), (start, "start"), (step.at, "COMPLETE")):
                if transition == "start" and found.start is None:
                    continue
                rows.append([
                    attribute("concept:name", step.name, inside=attribute("reason", "x")),
                    attribute("concept:instance", f"{number}"), attribute("lifecycle:transition", transition),
                    attribute("time:timestamp", told(at, digits=3), "date"),
                    f'<list key="approvers"><values>{attribute("who", "Ann")}</values></list>',
                ])  # fmt: skip
            steps.append(found)
        traces.append(([attribute("concept:name", case), attribute("AMOUNT_REQ", "20000")], rows))
    skipped = len(steps)
    return Log(xes(folder / "loans.xes", traces, HEAD), steps, ("--lifecycle", "pairs"), skipped=skipped)


@log
def classified(folder: Path) -> Log:
    """The activity made of three attributes, one of which is often missing; the case named behind its events."""
    steps, traces = [], []
    for case, of in by_case(walk(19, 40, NAMES)).items():
        rows = []
        for number, step in enumerate(of):
            blank = "B" if number % 2 else ""
            rows.append([
                attribute("concept:name", step.name), attribute("lifecycle:transition", "complete"),
                *([attribute("a key with blanks", blank)] if blank else []),
                attribute("time:timestamp", told(step.at, digits=6), "date"),
            ])  # fmt: skip
            steps.append(Step(case, f"{step.name}+{blank}+complete", step.at))
        traces.append((case, rows))
    parts = [f'<?xml version="1.0" encoding="UTF-8"?><log xmlns="http://www.xes-standard.org/">{HEAD}']
    for case, rows in traces:
        events = ("<event>" + "".join(row) + "</event>" for row in rows)
        parts += ["<trace>", *events, attribute("concept:name", case), "</trace>"]
    file = folder / "classified.xes"
    file.write_text("".join([*parts, "</log>"]), "utf-8")
    return Log(file, steps, ("--classifier", "Both"))


# --- object-centric ---


def orders(seed: int) -> tuple[list[tuple[str, str, int, list[str]]], dict[str, str]]:
    """Events (id, type, time, objects) in the order of the file, and the type of each object."""
    random = Random(seed)
    kinds = {f"o{n}": "orders" for n in range(40)} | {f"i{n}": "items" for n in range(90)}
    at, events = ns(2023, 4, 3), []
    for number in range(200):
        at += random.choice([0, 0, 1, 60, 3_600]) * NS
        touched = random.sample([one for one in kinds if one[0] == "o"], random.choice([0, 1, 1, 1, 2]))
        touched += random.sample([one for one in kinds if one[0] == "i"], random.choice([0, 1, 3]))
        events.append((f"e{number}", random.choice(("place order", "pick item", "send package")), at, touched))
    return events, kinds


def of_type(events: Iterable[tuple[str, str, int, list[str]]], kinds: dict[str, str], kind: str) -> Iterator[Step]:
    """Flattened."""
    for _, name, at, touched in events:
        for one in touched:
            if kinds[one] == kind:
                yield Step(one, name, at)


def flattened(file: Path, events: list[tuple[str, str, int, list[str]]], kinds: dict[str, str], kind: str) -> Log:
    """Seen by the objects of a type."""
    loose = sum(all(kinds[one] != kind for one in touched) for *_, touched in events)
    return Log(file, list(of_type(events, kinds, kind)), ("--case-object", kind), loose=loose)


@log
def objects_as_json(folder: Path) -> Log:
    """OCEL 2.0 as JSON: events before objects, offsets, attributes of many types, relations without a qualifier."""
    events, kinds = orders(20)
    document = {
        "eventTypes": [{"name": "place order", "attributes": []}],
        "events": [
            {"id": one, "type": name, "time": told(at).replace("+00:00", "Z"),
             "attributes": [{"name": "price", "value": 1.5}, {"name": "rush", "value": True}],
             "relationships": [{"objectId": o} if o[0] == "o" else {"objectId": o, "qualifier": "ü"} for o in touched]}
            for one, name, at, touched in events
        ],
        "objects": [{"id": one, "type": kind, "attributes": [
            {"name": "price", "time": "1970-01-01T00:00:00Z", "value": 3},
            {"name": "price", "time": "2023-05-01T00:00:00Z", "value": None}]} for one, kind in kinds.items()],
        "objectTypes": [{"name": "orders", "attributes": []}],
    }  # fmt: skip
    file = folder / "orders.json"
    file.write_text(json.dumps(document))
    return flattened(file, events, kinds, "orders")


@log
def objects_as_xml(folder: Path) -> Log:
    """OCEL 2.0 as XML, seen by its items; packed."""
    events, kinds = orders(21)
    parts = ['<?xml version="1.0"?><log><object-types><object-type name="items"><attributes/></object-type>']
    parts += ["</object-types><event-types/><objects>"]
    for one, kind in kinds.items():
        parts.append(f'<object id="{one}" type="{kind}"><attributes><attribute name="price" '
                     'time="1970-01-01T00:00:00Z">3</attribute></attributes><objects/></object>')  # fmt: skip
    parts.append("</objects><events>")
    for one, name, at, touched in events:
        related = "".join(f'<relationship object-id="{o}" qualifier=""/>' for o in touched)
        parts.append(f'<event id="{one}" type="{name}" time="{told(at, digits=3)}"><attributes/>'
                     f"<objects>{related}</objects></event>")  # fmt: skip
    file = folder / "orders.xmlocel.gz"
    file.write_bytes(gzip.compress("".join([*parts, "</events></log>"]).encode()))
    return flattened(file, events, kinds, "items")


@log
def objects_in_tables(folder: Path) -> Log:
    """OCEL 2.0 as SQLite; local times without an offset, as the format's own examples have them."""
    events, kinds = orders(22)
    file = folder / "orders.sqlite"
    names = {"place order": "PlaceOrder", "pick item": "PickItem", "send package": "SendPackage"}
    with closing(sqlite3.connect(file)) as db:
        db.executescript(
            "CREATE TABLE event (ocel_id TEXT, ocel_type TEXT); CREATE TABLE object (ocel_id TEXT, ocel_type TEXT);"
            "CREATE TABLE event_object (ocel_event_id TEXT, ocel_object_id TEXT, ocel_qualifier TEXT);"
            "CREATE TABLE object_object (ocel_source_id TEXT, ocel_target_id TEXT, ocel_qualifier TEXT);"
            "CREATE TABLE event_map_type (ocel_type TEXT, ocel_type_map TEXT);"
            "CREATE TABLE object_map_type (ocel_type TEXT, ocel_type_map TEXT);"
        )
        for what, types in (("event", names), ("object", {"orders": "Orders", "items": "Items"})):
            for kind, short in types.items():
                db.execute(f"INSERT INTO {what}_map_type VALUES (?, ?)", (kind, short))
                more = ", ocel_changed_field TEXT" if what == "object" else ""
                db.execute(f"CREATE TABLE {what}_{short} (ocel_id TEXT, ocel_time TIMESTAMP, price REAL{more})")
        for one, kind in kinds.items():
            db.execute("INSERT INTO object VALUES (?, ?)", (one, kind))
            db.execute(f"INSERT INTO object_{kind.title()} VALUES (?, '1970-01-01 00:00:00', 3, NULL)", (one,))
        for one, name, at, touched in events:
            db.execute("INSERT INTO event VALUES (?, ?)", (one, name))
            db.execute(f"INSERT INTO event_{names[name]} VALUES (?, ?, 1.5)", (one, told(at)[:19].replace("T", " ")))
            db.executemany("INSERT INTO event_object VALUES (?, ?, '')", [(one, o) for o in touched])
        db.commit()
    return flattened(file, events, kinds, "orders")
