"""What a row of the matrix is, and how its product is set up."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.points import Point
from tests.faults.rig import Rig
from tests.support.clickhouse_process import ClickHouseServer

Work = Callable[[Rig], None]


@dataclass(frozen=True)
class Row:
    """`work` starts the product, makes the fault and leaves a product that runs; the rest is the matrix's.

    `quick`: it runs with the tests, too. `refused_may_be_stored`: the disk did not obey. `ledger_anew`: the fault took
    the ledger itself, so that it is not compared with the tables.
    """

    fault: str
    stage: str
    work: Work
    store: str = "embedded"
    points: tuple[Point, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    quick: bool = False
    refused_may_be_stored: bool = False
    ledger_anew: bool = False

    @property
    def name(self) -> str:
        """Fit for a folder."""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.fault} {self.stage} {self.store}".lower()).strip("-")

    @property
    def words(self) -> str:
        """What a row is found by."""
        return f"{self.fault}: {self.stage} {self.store}".lower()

    @contextlib.contextmanager
    def rig(self, folder: Path) -> Iterator[Rig]:
        """Its product, not started; nothing of it runs behind the block."""
        server = ClickHouseServer(folder / "server") if self.store == "server" else None
        with contextlib.ExitStack() as stack:
            if server is not None:
                server.start()
                stack.callback(server.kill)
            rig = Rig(folder, server=server, points=self.points, settings=self.settings)
            stack.callback(rig.end)
            yield rig


class Rows:
    """Collects rows from the functions that make them."""

    def __init__(self) -> None:
        self.found: list[Row] = []

    def row(
        self,
        fault: str,
        stage: str,
        *,
        store: str = "embedded",
        points: tuple[Point, ...] = (),
        quick: bool = False,
        refused_may_be_stored: bool = False,
        ledger_anew: bool = False,
        **settings: str,
    ) -> Callable[[Work], Work]:
        """A decorator; `settings` without their prefix, in lower case."""
        own = {f"OPSINTEL_{name.upper()}": value for name, value in settings.items()}

        def add(work: Work) -> Work:
            self.found.append(Row(fault, stage, work, store, points, own, quick, refused_may_be_stored, ledger_anew))
            return work

        return add
