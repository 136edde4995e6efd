"""Pages that cannot lie: generated ones are fresh, links lead somewhere, commands exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import typer

from api import settings_doc
from api.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "deploy" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_settings_page_is_fresh() -> None:
    """To renew it: make docs."""
    assert settings_doc.PAGE.read_text("utf-8") == settings_doc.page()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


def test_every_command_that_the_pages_name_exists() -> None:
    """`opsintel kpi list` in a page is a command of the command line."""
    root = typer.main.get_command(app)
    known = {(name,) for name in root.commands}  # type: ignore[attr-defined]
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        known |= {(name, sub) for sub in getattr(command, "commands", {})}
    groups = {path[0] for path in known if len(path) == 2}
    for page in PAGES:
        for first, second in re.findall(r"opsintel ([a-z]+)(?: ([a-z][a-z-]*))?", page.read_text("utf-8")):
            if (first,) in known:
                assert first not in groups or not second or (first, second) in known, (page.name, first, second)


def test_every_make_target_that_the_pages_name_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"`make ([a-z-]+)", page.read_text("utf-8")))
        named |= set(re.findall(r"^    make ([a-z-]+)$", page.read_text("utf-8"), re.MULTILINE))
        assert named <= targets, page.name


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    names = {re.split(r"[\[<>=]", one)[0].replace(".", "-").lower() for one in wanted}
    locked = {line.split("==")[0].split("[")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()}
    assert names <= locked
