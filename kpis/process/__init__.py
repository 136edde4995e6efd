"""Process intelligence over `process_events`: what the cases of a stream do, and where open ones wait."""

from kpis.process.case_list import CaseList, CaseOrder, CaseRow, case_list
from kpis.process.cases import CaseJobs, CasesReport
from kpis.process.durations import Durations, durations
from kpis.process.filters import CaseFilter, TimeBasis
from kpis.process.handovers import Handovers, Holder, handovers
from kpis.process.process_map import ProcessMap, StepNode, Transition, process_map
from kpis.process.rework import Rework, rework
from kpis.process.seen import process_streams, require_cases
from kpis.process.spectrum import Spectrum, spectrum
from kpis.process.streams import ValueStream, parse_streams, value_streams
from kpis.process.summary import (
    Bottleneck,
    Edge,
    ProcessSummary,
    Variant,
    WorkingWaiting,
    process_summary,
)
from kpis.process.touches import Touches, touches
from kpis.process.variants import Variants, VariantShare, variants
from kpis.process.waiting import WaitingStep, waiting_now

__all__ = [
    "Bottleneck",
    "CaseFilter",
    "CaseJobs",
    "CaseList",
    "CaseOrder",
    "CaseRow",
    "CasesReport",
    "Durations",
    "Edge",
    "Handovers",
    "Holder",
    "ProcessMap",
    "ProcessSummary",
    "Rework",
    "Spectrum",
    "StepNode",
    "TimeBasis",
    "Touches",
    "Transition",
    "ValueStream",
    "Variant",
    "VariantShare",
    "Variants",
    "WaitingStep",
    "WorkingWaiting",
    "case_list",
    "durations",
    "handovers",
    "parse_streams",
    "process_map",
    "process_streams",
    "process_summary",
    "require_cases",
    "rework",
    "spectrum",
    "touches",
    "value_streams",
    "variants",
    "waiting_now",
]
