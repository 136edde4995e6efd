"""Every answer about the cases of a stream, once: for the API, for the command line, for the documentation."""

from api.process.answer import Answer
from api.process.flow import FLOW
from api.process.judgement import JUDGEMENT
from api.process.query import Parameter
from api.process.telemetry import TELEMETRY
from api.process.waiting import WAITING

ANSWERS: tuple[Answer, ...] = FLOW + WAITING + JUDGEMENT + TELEMETRY

__all__ = ["ANSWERS", "Answer", "Parameter"]
