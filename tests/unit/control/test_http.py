"""Outbound calls: what is answered, what certainly never left, and what nobody can know."""

from __future__ import annotations

import httpx
import pytest

from control import Answer, NoAnswer, NotReached, OutboundHttp, check_endpoint
from control.http import outcome_of
from core import ConfigurationError
from tests.unit.control.local_http import Drop, Hang, LocalServer, Reply


def test_an_answer(server: LocalServer, http: OutboundHttp) -> None:
    server.behaviour = lambda _: Reply(418, b"short", {"x-kind": "teapot"})
    result = http.post(f"{server.url}/p", b"{}", {"webhook-id": "m1"})
    assert isinstance(result, Answer)
    assert (result.status, result.body, result.headers["x-kind"], result.ok) == (418, b"short", "teapot", False)
    assert server.requests[0].headers["webhook-id"] == "m1"
    assert server.requests[0].headers["content-type"] == "application/json"


def test_redirects_are_not_followed(server: LocalServer, http: OutboundHttp) -> None:
    """A redirect could lead a signed body to a host that nobody configured."""
    server.behaviour = lambda _: Reply(307, b"", {"location": f"{server.url}/elsewhere"})
    result = http.post(f"{server.url}/here", b"{}", {})
    assert isinstance(result, Answer)
    assert result.status == 307
    assert [request.path for request in server.requests] == ["/here"]


def test_a_large_body_is_cut(server: LocalServer) -> None:
    server.behaviour = lambda _: Reply(200, b"x" * 100_000)
    http = OutboundHttp(timeout_s=2, max_bytes=1_000)
    result = http.get(server.url)
    http.close()
    assert isinstance(result, Answer)
    assert (len(result.body), result.truncated) == (1_000, True)


def test_a_compressed_body_is_not_unpacked(server: LocalServer, http: OutboundHttp) -> None:
    """Otherwise a small answer could grow without limit."""
    server.behaviour = lambda _: Reply(200, b"\x1f\x8b\x08junk", {"content-encoding": "gzip"})
    result = http.get(server.url)
    assert isinstance(result, Answer)
    assert result.body == b"\x1f\x8b\x08junk"


def test_nobody_listens(server: LocalServer, http: OutboundHttp) -> None:
    server.stop()
    assert isinstance(http.get(server.url), NotReached)
    server.start()


@pytest.mark.parametrize("behaviour", [Drop(), Hang()], ids=["closed_without_answer", "silence"])
def test_no_answer(server: LocalServer, http: OutboundHttp, behaviour: Drop | Hang) -> None:
    server.behaviour = lambda _: behaviour
    assert isinstance(http.post(server.url, b"{}", {}), NoAnswer)
    assert len(server.requests) == 1


def test_the_environments_proxy_is_ignored(
    server: LocalServer, http: OutboundHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    client = OutboundHttp(timeout_s=2)
    result = client.get(server.url)
    client.close()
    assert isinstance(result, Answer)


def _leaves(root: type[httpx.RequestError]) -> list[type[httpx.RequestError]]:
    below = root.__subclasses__()
    return [root] if not below else [leaf for item in below for leaf in _leaves(item)]


def test_every_error_of_the_client_is_placed() -> None:
    """Fails when the client library grows an error: decide then whether the call had left."""
    not_reached = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"}
    no_answer = {
        "CloseError",
        "DecodingError",
        "LocalProtocolError",
        "ReadError",
        "ReadTimeout",
        "RemoteProtocolError",
        "TooManyRedirects",
        "WriteError",
        "WriteTimeout",
    }
    found = {leaf.__name__: outcome_of(leaf("why")) for leaf in _leaves(httpx.RequestError)}
    assert found == {name: NotReached(f"{name}: why") for name in not_reached} | {
        name: NoAnswer(f"{name}: why") for name in no_answer
    }


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://engine/x", "an endpoint must be an http or https URL, got 'ftp://engine/x'"),
        ("file:///etc/passwd", "an endpoint must be an http or https URL, got 'file:///etc/passwd'"),
        ("engine/x", "an endpoint must be an http or https URL, got 'engine/x'"),
        ("http:///x", "an endpoint must name a host (and a port of 1 or more), got 'http:///x'"),
        ("http://engine:0/x", "an endpoint must name a host (and a port of 1 or more), got 'http://engine:0/x'"),
        ("http://u:p@engine/x", "an endpoint must not carry credentials, got one for 'engine'"),
        ("http://engine/x#y", "an endpoint must not carry a fragment, got 'http://engine/x#y'"),
        ("http://engine:99999/", "'http://engine:99999/' is not a URL: Port out of range 0-65535"),
    ],
)
def test_unusable_endpoints(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_endpoint(url)
    assert caught.value.message == message


def test_a_usable_endpoint() -> None:
    assert check_endpoint("https://engine.example:8443/commands?x=1") == "https://engine.example:8443/commands?x=1"
