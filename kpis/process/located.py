"""YAML read with the place of every value, so that a mistake is told as `file:line: what is wrong`.

Values are taken as the text that stands in the file, never as what YAML 1.1 guesses from it: `17:00` stays a time and
does not become 1,020, `no` stays a word. A key given twice is an error, and so is a merge key (`<<`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import yaml

from core.errors import ConfigurationError

MAX_BYTES = 1 << 20
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
CLOCK_UNITS = "smhdw"
WORKING_UNITS = "smh"


@dataclass(frozen=True)
class Entry:
    """A value in a file. Every reader raises ConfigurationError that names the file, the line and the reason."""

    file: str
    node: yaml.Node
    what: str = "the file"

    def fail(self, reason: str) -> NoReturn:
        """Refuses the value."""
        raise ConfigurationError(f"{self.file}:{self.node.start_mark.line + 1}: {reason}")

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return isinstance(self.node, yaml.SequenceNode)

    def entries(self, known: Iterable[str], required: Iterable[str] = ()) -> dict[str, Entry]:
        """A mapping with these keys and no others."""
        found, names = self.mapping(), set(known) | set(required)
        for key, entry in found.items():
            if key not in names:
                entry.fail(f"unknown key {key!r}; known are {', '.join(sorted(names))}")
        for key in required:
            if key not in found:
                self.fail(f"{self.what} lacks {key!r}")
        return found

    def mapping(self) -> dict[str, Entry]:
        """A mapping with whatever keys."""
        if not isinstance(self.node, yaml.MappingNode):
            self.fail(f"{self.what} must map names to values, got {self._shown()}")
        found: dict[str, Entry] = {}
        for key, value in self.node.value:
            name = Entry(self.file, key, "a key").text()
            if name in found:
                Entry(self.file, key).fail(f"{name!r} is given twice")
            found[name] = Entry(self.file, value, name)
        return found

    def items(self) -> list[Entry]:
        """A list."""
        if not isinstance(self.node, yaml.SequenceNode):
            self.fail(f"{self.what} must be a list, got {self._shown()}")
        return [Entry(self.file, item, self.what) for item in self.node.value]

    def text(self) -> str:
        """A text that is not empty."""
        if not isinstance(self.node, yaml.ScalarNode) or not self.node.value.strip():
            self.fail(f"{self.what} must be a text, got {self._shown()}")
        return str(self.node.value)

    def value(self) -> str:
        """A text that may be empty."""
        return self.text() if not isinstance(self.node, yaml.ScalarNode) else str(self.node.value)

    def texts(self) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(item.text() for item in self.items())

    def one_or_more(self) -> tuple[str, ...]:
        """A text, or a list of at least one."""
        found = (self.text(),) if isinstance(self.node, yaml.ScalarNode) else self.texts()
        return found or self.fail(f"{self.what} must name at least one")

    def named(self) -> dict[str, str]:
        """A mapping of texts to texts."""
        return {name: entry.text() for name, entry in self.mapping().items()}

    def choice(self, allowed: Sequence[str]) -> str:
        """One of a few words."""
        found = self.text()
        return (
            found if found in allowed else self.fail(f"{self.what} must be one of {', '.join(allowed)}, got {found!r}")
        )

    def whole(self, least: int, most: int) -> int:
        """A whole number within bounds."""
        found = self.text()
        if not re.fullmatch(r"\d{1,9}", found) or not least <= int(found) <= most:
            self.fail(f"{self.what} must be a whole number from {least} to {most}, got {found!r}")
        return int(found)

    def duration_s(self, units: str = CLOCK_UNITS) -> float:
        """A length like `90s`, `30m`, `4h`, `2d` or `1w`, in seconds."""
        found = self.text()
        match = _DURATION.fullmatch(found)
        if match is None or not float(match[1]):
            self.fail(f"{self.what} must be a length like 30m, 4h or 2d, got {found!r}")
        if match[2] not in units:
            self.fail(f"{self.what} is counted on a calendar, where a day is not 24 hours; write hours, got {found!r}")
        return float(match[1]) * _SECONDS[match[2]]

    def _shown(self) -> str:
        if isinstance(self.node, yaml.ScalarNode):
            return repr(self.node.value)
        return "a list" if isinstance(self.node, yaml.SequenceNode) else "a mapping"


def read_yaml(file: str, data: bytes | str) -> Entry:
    """The content of a file; `file` is its name in messages. Raises ConfigurationError."""
    if len(data) > MAX_BYTES:
        raise ConfigurationError(f"{file}: larger than {MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: not UTF-8 at byte {error.start}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{file}{line}: not valid YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{file}: not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigurationError(f"{file}: nested too deeply") from None
    if node is None:
        raise ConfigurationError(f"{file}:1: the file is empty")
    return Entry(file, node)


def each(entries: Mapping[str, Entry], key: str) -> tuple[str, ...]:
    """A list of texts under a key; empty where the key is missing."""
    return entries[key].texts() if key in entries else ()
