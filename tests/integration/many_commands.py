"""Commands of `opsintel`, one after the other in one process: each as the console script runs it.

What takes most of a short command's time is done once: the imports, and opening the stores, which stay open.

    python -m tests.integration.many_commands < COMMANDS.json > OUTCOMES.json

Reads a JSON list of argument lists and writes a list of `{"code", "out", "err"}`. An error that is none of ours has its
stack trace in `err` and the code 1, as Python would end.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import api.cli
import api.composition
from core import Settings, configure_logging, load_settings


def run(arguments: list[str]) -> dict[str, Any]:
    """One command, as `opsintel ARGUMENTS`."""
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["opsintel", *arguments]
    code: Any = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            api.cli.main()
        except SystemExit as ended:
            code = ended.code or 0
        except Exception:
            traceback.print_exc()
            code = 1
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


def main() -> None:
    """Reads, runs, writes."""
    settings = load_settings()
    configure_logging(settings.log_format, "WARNING")
    with api.composition.opened_stores(settings) as stores:

        @contextmanager
        def opened(_: Settings) -> Iterator[Any]:
            yield stores

        api.composition.opened_stores = opened  # type: ignore[assignment]
        outcomes = [run(arguments) for arguments in json.load(sys.stdin)]
    json.dump(outcomes, sys.__stdout__)


if __name__ == "__main__":
    main()
