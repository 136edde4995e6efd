"""The product's version, as it was installed."""

from __future__ import annotations

from importlib.metadata import version

VERSION = version("opsintel")
