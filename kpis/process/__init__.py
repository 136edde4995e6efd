"""Process intelligence: what the cases of a stream do, and where open ones wait."""

from kpis.process.bottlenecks import bottlenecks
from kpis.process.calendar_gaps import CalendarGap, calendar_gaps
from kpis.process.calendars import Calendar
from kpis.process.calibration import Backtest, Calibration, backtest, calibration
from kpis.process.case_list import CaseList, CaseOrder, CaseRow, case_count, case_list
from kpis.process.cases import CaseJobs, CasesReport
from kpis.process.conformance import Conformance, conformance
from kpis.process.corrections import Corrections
from kpis.process.deviations import DeviatingCases, deviating_cases
from kpis.process.durations import Durations, durations
from kpis.process.filters import CaseFilter, TimeBasis, storable
from kpis.process.handovers import Handovers, Holder, handovers
from kpis.process.object_map import ObjectMap, object_map
from kpis.process.objects import Flattened, derived_stream, flatten
from kpis.process.past_bottlenecks import HistoricalBottleneck, historical_bottlenecks
from kpis.process.process_map import ProcessMap, StepNode, Transition, process_map
from kpis.process.process_models import ProcessModels
from kpis.process.resolution import ResolutionJobs, ResolutionReport
from kpis.process.rework import Rework, rework
from kpis.process.risk import CaseAtRisk, cases_at_risk
from kpis.process.rule_sql import State
from kpis.process.seen import process_streams, require_cases
from kpis.process.span_steps import QueueWait, SpanRules, queue_waits, span_rules
from kpis.process.spectrum import Spectrum, spectrum
from kpis.process.splits import Split, Splits, splits
from kpis.process.streams import ModelSet, ValueStream, parse_streams, value_streams
from kpis.process.summary import Edge, ProcessSummary, Variant, WaitingEdge, WorkingWaiting, process_summary
from kpis.process.temporal_profile import temporal_deviations, temporal_profile
from kpis.process.timeline import CaseTimeline, case_timeline
from kpis.process.touches import Touches, touches
from kpis.process.variants import Variants, VariantShare, variants
from kpis.process.waiting import WaitingStep, waiting_now
from kpis.process.waiting_causes import WaitingCauses, waiting_causes
from kpis.process.zones import zone_named

__all__ = [
    "Backtest",
    "Calendar",
    "CalendarGap",
    "Calibration",
    "CaseAtRisk",
    "CaseFilter",
    "CaseJobs",
    "CaseList",
    "CaseOrder",
    "CaseRow",
    "CaseTimeline",
    "CasesReport",
    "Conformance",
    "Corrections",
    "DeviatingCases",
    "Durations",
    "Edge",
    "Flattened",
    "Handovers",
    "HistoricalBottleneck",
    "Holder",
    "ModelSet",
    "ObjectMap",
    "ProcessMap",
    "ProcessModels",
    "ProcessSummary",
    "QueueWait",
    "ResolutionJobs",
    "ResolutionReport",
    "Rework",
    "SpanRules",
    "Spectrum",
    "Split",
    "Splits",
    "State",
    "StepNode",
    "TimeBasis",
    "Touches",
    "Transition",
    "ValueStream",
    "Variant",
    "VariantShare",
    "Variants",
    "WaitingCauses",
    "WaitingEdge",
    "WaitingStep",
    "WorkingWaiting",
    "backtest",
    "bottlenecks",
    "calendar_gaps",
    "calibration",
    "case_count",
    "case_list",
    "case_timeline",
    "cases_at_risk",
    "conformance",
    "derived_stream",
    "deviating_cases",
    "durations",
    "flatten",
    "handovers",
    "historical_bottlenecks",
    "object_map",
    "parse_streams",
    "process_map",
    "process_streams",
    "process_summary",
    "queue_waits",
    "require_cases",
    "rework",
    "span_rules",
    "spectrum",
    "splits",
    "storable",
    "temporal_deviations",
    "temporal_profile",
    "touches",
    "value_streams",
    "variants",
    "waiting_causes",
    "waiting_now",
    "zone_named",
]
