"""Points in the product at which a test makes it fail; read by every Python process that has this folder on its path.

`FAULT_PLAN` names a JSON file with a list of points, see `tests.faults.points.Point`. A point acts only while its file
`<id>.armed` exists beside the plan, so that a running process can be struck at a moment of the test's choosing, and
says so in `<id>.struck`. The product knows nothing of this. Nothing happens where `FAULT_PLAN` is not set.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import time
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any


class _Points:
    def __init__(self, plan: Path) -> None:
        self._folder = plan.parent
        role = "receiver" if "api.receiver" in sys.orig_argv else "owner"
        self._points = [one for one in json.loads(plan.read_text()) if one["role"] in ("any", role)]

    def install(self) -> None:
        load = SourceFileLoader.exec_module

        def exec_module(loader: SourceFileLoader, module: ModuleType) -> None:
            load(loader, module)
            for point in self._points:
                if point["module"] == module.__name__:
                    self._wrap(module, point)

        SourceFileLoader.exec_module = exec_module  # type: ignore[method-assign]

    def _wrap(self, module: ModuleType, point: dict[str, Any]) -> None:
        *path, name = point["name"].split(".")
        owner: Any = functools.reduce(getattr, path, module)
        inner = getattr(owner, name)

        @functools.wraps(inner)
        def outer(*args: Any, **kwargs: Any) -> Any:
            if point["action"] == "shift":
                return self._shifted(point, inner(*args, **kwargs))
            if point["when"] == "before":
                self._strike(point)
            found = inner(*args, **kwargs)
            if point["when"] == "after":
                self._strike(point)
            return found

        setattr(owner, name, outer)

    def _strike(self, point: dict[str, Any]) -> None:
        armed = self._folder / f"{point['id']}.armed"
        if not armed.exists():
            return
        with (self._folder / f"{point['id']}.struck").open("a") as note:
            note.write(f"{os.getpid()}\n")
        if point["once"]:
            armed.unlink(missing_ok=True)
        if point["action"] == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif point["action"] == "kill group":
            os.killpg(os.getpgid(0), signal.SIGKILL)
        elif point["action"] == "wait":
            while (self._folder / f"{point['id']}.hold").exists():
                time.sleep(0.01)
        elif point["action"] == "raise":
            raise OSError(point["error"], os.strerror(point["error"]))

    def _shifted(self, point: dict[str, Any], found: Any) -> Any:
        from datetime import timedelta

        try:
            seconds = float((self._folder / f"{point['id']}.seconds").read_text())
        except (OSError, ValueError):
            return found
        return found + (int(seconds * 10**9) if isinstance(found, int) else timedelta(seconds=seconds))


if os.environ.get("FAULT_PLAN"):
    _Points(Path(os.environ["FAULT_PLAN"])).install()
