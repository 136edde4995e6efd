"""OTLP over HTTP and over gRPC."""

from collector.receivers.grpc import GrpcServer
from collector.receivers.http import Authenticate, OtlpHttp
from collector.receivers.http_server import HttpServer

__all__ = ["Authenticate", "GrpcServer", "HttpServer", "OtlpHttp"]
