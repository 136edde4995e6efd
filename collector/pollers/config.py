"""The pollers' file: TOML with `[defaults]` and one `[[poller]]` table for each source, checked as a whole.

    [defaults]
    interval_s = 15

    [[poller]]
    name = "broker"
    kind = "rabbitmq"
    url = "http://rabbit:15672"

Errors name the file, the poller, the key and the value, and never what an environment variable holds.
"""

from __future__ import annotations

import difflib
import tomllib
import typing
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from collector.pollers.models import KINDS, AnyPoller, Common, model_of
from core.errors import ConfigurationError

HINT = "see docs/pollers.md"


def load_pollers(file: Path) -> tuple[AnyPoller, ...]:
    """The pollers of a file, the disabled ones too, in its order. Raises ConfigurationError."""
    try:
        return parse_pollers(file.read_text("utf-8-sig"), file.name)
    except FileNotFoundError:
        raise ConfigurationError(f"there is no pollers file {str(file)!r}", hint=HINT) from None
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f"the pollers file {str(file)!r} cannot be read: {problem}") from None


def parse_pollers(text: str, source: str) -> tuple[AnyPoller, ...]:
    """The pollers of a TOML text; `source` names it in errors."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ConfigurationError(f"{source}: not TOML: {problem}") from None
    for key in document:
        if key not in ("defaults", "poller"):
            raise ConfigurationError(
                f"{source}: unknown key {key!r}{_close(key, ['defaults', 'poller'])}",
                hint="a file has a [defaults] table and [[poller]] tables",
            )
    defaults, items = document.get("defaults", {}), document.get("poller", [])
    if not isinstance(defaults, dict):
        raise ConfigurationError(f"{source}: 'defaults' must be a table, got {defaults!r}")
    if not isinstance(items, list):
        raise ConfigurationError(f"{source}: write [[poller]] with two brackets, once for each poller")
    try:
        Common.model_validate(defaults)
    except ValidationError as problem:
        raise ConfigurationError(f"{source}: [defaults]: {_describe(problem, Common)}", hint=HINT) from None
    pollers = tuple(_poller(source, position, item, defaults) for position, item in enumerate(items, 1))
    for name, count in Counter(poller.name for poller in pollers).items():
        if count > 1:
            raise ConfigurationError(f"{source}: the name {name!r} is there {count} times", hint="names are unique")
    return pollers


def _poller(source: str, position: int, item: Any, defaults: dict[str, Any]) -> AnyPoller:
    if not isinstance(item, dict):
        raise ConfigurationError(f"{source}: poller number {position} is no table, got {item!r}")
    who = repr(item["name"]) if isinstance(item.get("name"), str) else f"number {position}"
    model = model_of(item)
    if model is None:
        kinds = ", ".join(KINDS)
        got = f"unknown kind {item['kind']!r}{_close(item['kind'], KINDS)}" if "kind" in item else "kind is missing"
        raise ConfigurationError(f"{source}: poller {who}: {got}", hint=f"kinds are {kinds}")
    try:
        return model.model_validate({**defaults, **item})
    except ValidationError as problem:
        raise ConfigurationError(f"{source}: poller {who}: {_describe(problem, model)}", hint=HINT) from None


def _describe(problem: ValidationError, model: type[BaseModel]) -> str:
    lines = []
    for error in problem.errors():
        where = ".".join(str(part) for part in error["loc"])
        if error["type"] == "extra_forbidden":
            lines.append(f"unknown key {where!r}{_close(error['loc'][-1], _fields(model, error['loc'][:-1]))}")
        elif error["type"] == "missing":
            lines.append(f"{where} is missing")
        else:
            message = str(error["msg"]).removeprefix("Value error, ")
            shown = "" if isinstance(error["input"], dict) else f", got {error['input']!r}"
            lines.append(f"{where}: {message}{shown}" if where else message)
    return "; ".join(lines)


def _fields(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The keys that may stand at a path."""
    for part in path:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(argument) for argument in typing.get_args(annotation))
    return next((one for one in found if one is not None), None)


def _close(name: object, known: typing.Iterable[str]) -> str:
    close = difflib.get_close_matches(str(name), list(known), 1)
    return f", did you mean {close[0]!r}?" if close else ""
