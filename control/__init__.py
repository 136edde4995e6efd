"""Acting on the systems that run the work: commands to workflow engines, their verification, and the audit chain.

Also the home of outbound calls (`OutboundHttp`, `Signer`), which the alerts room uses for its notifications.
"""

from control.audit import AuditChain, AuditEntry, AuditHead, AuditReport, BrokenEntry, Problem
from control.commands import Command
from control.engine import Action, EngineState, HttpEngine
from control.http import Answer, HttpResult, NoAnswer, NotReached, OutboundHttp, check_endpoint
from control.service import ControlService, TargetStatus, open_control
from control.signing import Signer
from control.states import CommandState, Timings
from control.targets import ControlTarget, load_targets

__all__ = [
    "Action",
    "Answer",
    "AuditChain",
    "AuditEntry",
    "AuditHead",
    "AuditReport",
    "BrokenEntry",
    "Command",
    "CommandState",
    "ControlService",
    "ControlTarget",
    "EngineState",
    "HttpEngine",
    "HttpResult",
    "NoAnswer",
    "NotReached",
    "OutboundHttp",
    "Problem",
    "Signer",
    "TargetStatus",
    "Timings",
    "check_endpoint",
    "load_targets",
    "open_control",
]
