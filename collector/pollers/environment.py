"""Where credentials come from: environment variables that the configuration names, and nothing else.

Whatever was read here is taken out of every message that a poller lets out. A secret of one or two characters is not:
it would tear holes into every text, and protects nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit

from core.errors import ConfigurationError

SHORTEST = 3
HIDDEN = "***"


class Environment:
    """Reads variables, and remembers what must not be told."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._secrets: set[str] = set()

    def secret(self, name: str, poller: str, field: str) -> str:
        """The value of the variable; ConfigurationError when it is not set or empty."""
        value = self._variables.get(name, "")
        if not value:
            raise ConfigurationError(
                f"poller {poller!r}: {field} names the environment variable {name!r}, and it is not set",
                hint=f"export {name} in the service's environment",
            )
        self._remember(value)
        return value

    def url(self, name: str, poller: str, field: str) -> str:
        """Like `secret`; of a URL the password alone is remembered, too."""
        value = self.secret(name, poller, field)
        try:
            password = urlsplit(value).password
        except ValueError:
            password = None
        if password:
            self._remember(password)
            self._remember(unquote(password))
        return value

    def _remember(self, value: str) -> None:
        for form in (value, quote(value, safe="")):
            if len(form) >= SHORTEST:
                self._secrets.add(form)

    def redact(self, text: str) -> str:
        """The text with every secret replaced, the longest first."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text
