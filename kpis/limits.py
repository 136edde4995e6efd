"""Settings of the statements that make views and add up their facts."""

from __future__ import annotations

AT_ONCE = 2
"""Statements at the same time, so that two of the engine's handles stay for those who read."""
LIMITS = {"max_bytes_before_external_group_by": 512 << 20, "max_bytes_before_external_sort": 512 << 20}
"""What is larger goes to the disk."""


def beside_others(threads: int) -> dict[str, int]:
    """The setting for one of several statements at the same time, which share the threads of one."""
    return {"max_threads": max(1, threads // AT_ONCE)}
