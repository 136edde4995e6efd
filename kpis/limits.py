"""Settings of the statements that make views and add up their facts."""

from __future__ import annotations

AT_ONCE = 2
"""Statements at the same time, so that two of the engine's handles stay for those who read."""
LIMITS = {"max_bytes_before_external_group_by": 512 << 20, "max_bytes_before_external_sort": 512 << 20}
"""What is larger goes to the disk."""
FEW = LIMITS | {
    "max_threads": 1,
    "optimize_move_to_prewhere_if_final": 1,
    "compile_expressions": 0,
    "query_plan_merge_expressions": 0,
    "optimize_and_compare_chain": 0,
    "optimize_group_by_function_keys": 0,
    "optimize_aggregators_of_group_by_keys": 0,
    "optimize_extract_common_expressions": 0,
    "query_plan_lift_up_union": 0,
    "query_plan_filter_push_down": 0,
}
"""For a few cases among many: rows are told apart by their keys before the others of their granules are merged, and one
thread reads them, for several views are read at once. To compile expressions, to look for the best order of them or for
conditions that follow from one another, and to plan them twice for both sides of a union, takes longer than such a
statement."""


def beside_others(threads: int) -> dict[str, int]:
    """The setting for one of several statements at the same time, which share the threads of one."""
    return {"max_threads": max(1, threads // AT_ONCE)}
