"""The image is made of what the package is made of, at the versions of the lock."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()


def test_every_room_is_in_the_image() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    rooms = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = re.findall(r"^COPY (\w+) (\w+)$", DOCKERFILE, re.MULTILINE)
    assert copied == [(room, room) for room in rooms]


def test_the_image_installs_by_the_lock_as_it_is() -> None:
    """A name may be pinned once for each Python; without the markers, such pins exclude one another."""
    assert re.search(r"pip install .* -c requirements\.lock \.$", DOCKERFILE, re.MULTILINE)
    python = re.findall(r"^FROM python:([\d.]+)-", DOCKERFILE, re.MULTILINE)
    assert len(set(python)) == 1
    here = {"python_version": python[0], "python_full_version": f"{python[0]}.99", "sys_platform": "linux"}
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]
    named = Counter(pin.name for pin in pins if pin.marker is None or pin.marker.evaluate(here))
    assert len(named) > 90
    assert set(named.values()) == {1}
