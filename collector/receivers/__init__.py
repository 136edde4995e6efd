"""OTLP over HTTP and over gRPC, and the table of doors that other protocols over HTTP stand in."""

from collector.receivers.doors import Admit, Answer, Door, Headers, Taken, otlp_doors
from collector.receivers.grpc import GrpcServer
from collector.receivers.http import Authenticate, OtlpHttp
from collector.receivers.http_server import HttpServer

__all__ = [
    "Admit",
    "Answer",
    "Authenticate",
    "Door",
    "GrpcServer",
    "Headers",
    "HttpServer",
    "OtlpHttp",
    "Taken",
    "otlp_doors",
]
