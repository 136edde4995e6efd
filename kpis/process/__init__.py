"""Process intelligence over `process_events`: what the cases of a stream do, and where open ones wait."""

from kpis.process.cases import CaseJobs, CasesReport
from kpis.process.filters import CaseFilter, TimeBasis
from kpis.process.process_map import ProcessMap, StepNode, Transition, process_map
from kpis.process.seen import process_streams, require_cases
from kpis.process.streams import ValueStream, parse_streams, value_streams
from kpis.process.summary import (
    Bottleneck,
    Edge,
    ProcessSummary,
    Variant,
    WorkingWaiting,
    process_summary,
)
from kpis.process.variants import Variants, VariantShare, variants
from kpis.process.waiting import WaitingStep, waiting_now

__all__ = [
    "Bottleneck",
    "CaseFilter",
    "CaseJobs",
    "CasesReport",
    "Edge",
    "ProcessMap",
    "ProcessSummary",
    "StepNode",
    "TimeBasis",
    "Transition",
    "ValueStream",
    "Variant",
    "VariantShare",
    "Variants",
    "WaitingStep",
    "WorkingWaiting",
    "parse_streams",
    "process_map",
    "process_streams",
    "process_summary",
    "require_cases",
    "value_streams",
    "variants",
    "waiting_now",
]
