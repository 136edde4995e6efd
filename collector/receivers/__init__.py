"""OTLP over HTTP and over gRPC, and the table of doors that other protocols over HTTP stand in."""

from collector.receivers.doors import Admit, Answer, Door, Headers, Taken, otlp_doors
from collector.receivers.grpc import GrpcLimits, GrpcServer
from collector.receivers.guarded import ConnectionLimits, guarded
from collector.receivers.http import Authenticate, OtlpHttp
from collector.receivers.http_server import GuardedServer, HttpServer
from collector.receivers.origins import Origins

__all__ = [
    "Admit",
    "Answer",
    "Authenticate",
    "ConnectionLimits",
    "Door",
    "GrpcLimits",
    "GrpcServer",
    "GuardedServer",
    "Headers",
    "HttpServer",
    "Origins",
    "OtlpHttp",
    "Taken",
    "guarded",
    "otlp_doors",
]
