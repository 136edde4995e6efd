"""What may be paused and resumed: targets, read from the TOML file that the setting `control_file` names.

    [[targets]]
    id = "om-warehouse"                                   # what callers name
    kind = "edge"                                         # or "workflow"
    name = "order-management->warehouse"                  # what people and telemetry call it (retail.edge for an edge)
    tenant = "default"                                    # optional
    endpoint_url = "https://engine.example/commands"      # takes the signed POST
    verify_url = "https://engine.example/edges/om-warehouse"  # shows {"state": "paused" | "running"}

Endpoints come from this file alone, never from a request. It is read once, at start.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from control.http import check_endpoint
from core.errors import ConfigurationError
from core.principals import DEFAULT_TENANT


class ControlTarget(BaseModel):
    """One thing that can be paused and resumed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    kind: Literal["edge", "workflow"]
    name: str = Field(min_length=1, max_length=200)
    tenant: str = Field(DEFAULT_TENANT, min_length=1, max_length=128)
    endpoint_url: str
    verify_url: str

    @field_validator("endpoint_url", "verify_url")
    @classmethod
    def _is_endpoint(cls, value: str) -> str:
        try:
            return check_endpoint(value)
        except ConfigurationError as problem:
            raise ValueError(problem.message) from None


def load_targets(file: Path) -> tuple[ControlTarget, ...]:
    """Reads the file; ConfigurationError names the file, the target, the field and the value."""
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"there is no control file {str(file)!r}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise ConfigurationError(f"the control file {str(file)!r} cannot be read: {problem}") from None
    unknown = sorted(set(document) - {"targets"})
    if unknown:
        raise ConfigurationError(f"{file.name}: unknown key {unknown[0]!r}", hint="the only key is 'targets'")
    items = document.get("targets", [])
    if not isinstance(items, list):
        raise ConfigurationError(f"{file.name}: 'targets' must be a list of tables, got {items!r}")
    targets = tuple(_target(file.name, position, item) for position, item in enumerate(items))
    for (tenant, name), count in Counter((target.tenant, target.id) for target in targets).items():
        if count > 1:
            raise ConfigurationError(f"{file.name}: target {name!r} of tenant {tenant!r} is there {count} times")
    return targets


def _target(file: str, position: int, item: Any) -> ControlTarget:
    try:
        return ControlTarget.model_validate(item)
    except ValidationError as problem:
        name = repr(item["id"]) if isinstance(item, dict) and "id" in item else f"number {position + 1}"
        lines = [f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}" for error in problem.errors()]
        raise ConfigurationError(f"{file}: target {name}: {'; '.join(lines)}", hint="see docs/control.md") from None
