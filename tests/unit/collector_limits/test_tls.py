"""TLS on both transports with real certificates: who gets in, who does not, and what happens when files change."""

from __future__ import annotations

import datetime
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import trustme

from collector.tls import TlsMaterial, certificate_identities, open_tls, pem_identities
from core import ConfigurationError, ManualClock, Principal, Role, Settings, SystemClock, load_settings
from storage import StateDb
from tests.unit.collector.support import pending_of, trace_request
from tests.unit.collector_limits.rig import PROTOBUF, TRACES, Rig, bearer, eventually

BODY = trace_request(2).SerializeToString()
HOST = "localhost"


class World:
    """A server's authority and one for clients, and their files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server_ca, self.client_ca, self.stranger = trustme.CA(), trustme.CA(), trustme.CA()
        self.cert, self.key, self.ca = folder / "cert.pem", folder / "key.pem", folder / "clients.pem"
        self.issue()
        self.client_ca.cert_pem.write_to_path(self.ca)

    def issue(self, ca: trustme.CA | None = None, **options: Any) -> trustme.LeafCert:
        """A new certificate for the server, in place."""
        leaf = (ca or self.server_ca).issue_cert(HOST, "127.0.0.1", **options)
        leaf.cert_chain_pems[0].write_to_path(self.cert)
        leaf.private_key_pem.write_to_path(self.key)
        for number, path in enumerate((self.cert, self.key)):  # a second write within a tick of the clock counts too
            os.utime(path, ns=(os.stat(path).st_atime_ns, os.stat(path).st_mtime_ns + 1 + number))
        return leaf

    def trusting(self, ca: trustme.CA | None = None, client: trustme.LeafCert | None = None) -> ssl.SSLContext:
        """A client's context."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        (ca or self.server_ca).configure_trust(context)
        if client:
            client.configure_cert(context)
        return context

    def credentials(self, ca: trustme.CA | None = None, client: trustme.LeafCert | None = None) -> Any:
        """A gRPC client's."""
        roots = (ca or self.server_ca).cert_pem.bytes()
        if not client:
            return grpc.ssl_channel_credentials(roots)
        chain = b"".join(pem.bytes() for pem in client.cert_chain_pems)
        return grpc.ssl_channel_credentials(roots, client.private_key_pem.bytes(), chain)


class TlsRig(Rig):
    """A certificate for till.shop.example stands for the tenant `certified`."""

    def authenticate(self, headers: Mapping[str, str]) -> Principal:
        if "authorization" not in headers:
            names = headers.get(":client-certificate", "").split("\n")
            if "DNS:till.shop.example" in names:
                return Principal("till", "certified", frozenset({Role.INGEST}))
        return super().authenticate(headers)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@contextmanager
def serving(world: World, settings: Settings, state: StateDb, *, clients: bool) -> Iterator[TlsRig]:
    files = {"tls_cert_file": world.cert, "tls_key_file": world.key}
    rig = TlsRig(settings, state, **files | ({"tls_client_ca_file": world.ca} if clients else {}))
    try:
        yield rig
    finally:
        rig.close()


def post(rig: Rig, context: ssl.SSLContext, tenant: str = "shop") -> int:
    headers = {"content-type": PROTOBUF} | ({"authorization": f"Bearer {tenant}"} if tenant else {})
    url = f"https://{HOST}:{rig.collector.http_port}/v1/traces"
    with httpx.Client(verify=context, timeout=10) as client:
        return client.post(url, content=BODY, headers=headers).status_code


def call(rig: Rig, credentials: Any, tenant: str = "shop") -> bytes:
    options = [("grpc.use_local_subchannel_pool", 1)]
    metadata = bearer(tenant) if tenant else ()
    with grpc.secure_channel(f"{HOST}:{rig.collector.grpc_port}", credentials, options) as channel:
        answer: bytes = channel.unary_unary(TRACES)(BODY, timeout=30, metadata=metadata)
        return answer


def test_both_transports_are_encrypted(world: World, settings: Settings, state: StateDb) -> None:
    with serving(world, settings, state, clients=False) as rig:
        assert post(rig, world.trusting()) == 200
        assert call(rig, world.credentials()) == b""
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            post(rig, world.trusting(world.stranger))
        with pytest.raises(grpc.RpcError):
            call(rig, world.credentials(world.stranger))
        with pytest.raises(httpx.HTTPError):
            httpx.post(f"http://{HOST}:{rig.collector.http_port}/v1/traces", content=BODY, timeout=5)


@pytest.mark.parametrize("port", ["http_port", "grpc_port"])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_nothing_older_than_tls_1_2(world: World, settings: Settings, state: StateDb, port: str) -> None:
    with serving(world, settings, state, clients=False) as rig:

        def connect(version: ssl.TLSVersion) -> str | None:
            context = world.trusting()
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
            context.set_alpn_protocols(["h2", "http/1.1"])
            with (
                socket.create_connection((HOST, getattr(rig.collector, port)), timeout=30) as plain,
                context.wrap_socket(plain, server_hostname=HOST) as secure,
            ):
                return secure.version()

        assert connect(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
        assert connect(ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            connect(ssl.TLSVersion.TLSv1_1)


def test_callers_must_show_a_certificate(world: World, settings: Settings, state: StateDb) -> None:
    """One that an authority of ours signed; a bearer token beside it still says who."""
    good, bad = world.client_ca.issue_cert("till.shop.example"), world.stranger.issue_cert("till.shop.example")
    with serving(world, settings, state, clients=True) as rig:
        assert post(rig, world.trusting(client=good)) == 200
        assert call(rig, world.credentials(client=good)) == b""
        for client in (None, bad):
            with pytest.raises(httpx.TransportError):
                post(rig, world.trusting(client=client))
            with pytest.raises(grpc.RpcError) as refused:
                call(rig, world.credentials(client=client))
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_certificate_says_who(world: World, settings: Settings, state: StateDb) -> None:
    """Without a token, on both transports; a certificate that nobody knows says nothing."""
    till, other = world.client_ca.issue_cert("till.shop.example"), world.client_ca.issue_cert("other.example")
    with serving(world, settings, state, clients=True) as rig:
        assert post(rig, world.trusting(client=till), "") == 200
        assert call(rig, world.credentials(client=till), "") == b""
        assert pending_of(settings.wal_dir, SystemClock(), "certified") == 4
        assert post(rig, world.trusting(client=other), "") == 401
        with pytest.raises(grpc.RpcError) as refused:
            call(rig, world.credentials(client=other), "")
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_nobody_can_name_a_certificate_himself(world: World, settings: Settings, state: StateDb) -> None:
    """The name is no header's name: the parser refuses it, and so does gRPC."""
    with serving(world, settings, state, clients=False) as rig:
        context = world.trusting()
        with (
            socket.create_connection((HOST, rig.collector.http_port), timeout=30) as plain,
            context.wrap_socket(plain, server_hostname=HOST) as secure,
        ):
            lines = ["POST /v1/traces HTTP/1.1", "host: x", ":client-certificate: DNS:till.shop.example",
                     f"content-type: {PROTOBUF}", "content-length: 0", "", ""]  # fmt: skip
            secure.sendall("\r\n".join(lines).encode())
            assert secure.recv(4096).split(b" ", 2)[1] in (b"400", b"401")


def test_a_renewed_certificate_serves_the_next_connection(world: World, settings: Settings, state: StateDb) -> None:
    """Without a restart, on both transports; open connections go on, and broken files change nothing."""
    with (
        serving(world, settings, state, clients=False) as rig,
        httpx.Client(verify=world.trusting(), timeout=10) as old,
    ):
        url, headers = f"https://{HOST}:{rig.collector.http_port}/v1/traces", {"authorization": "Bearer shop"}
        headers["content-type"] = PROTOBUF
        assert old.post(url, content=BODY, headers=headers).status_code == 200
        renewed = trustme.CA()
        world.key.write_text("half a key")
        eventually(lambda: post(rig, world.trusting()) == 200)
        world.issue(renewed)

        def serves_new() -> bool:
            try:
                return post(rig, world.trusting(renewed)) == 200
            except httpx.ConnectError:
                return False

        eventually(serves_new)
        with pytest.raises(httpx.ConnectError):
            post(rig, world.trusting())

        def calls_new() -> bool:
            try:
                return call(rig, world.credentials(renewed)) == b""
            except grpc.RpcError:
                return False

        eventually(calls_new)
        with pytest.raises(grpc.RpcError):
            call(rig, world.credentials())
        assert old.post(url, content=BODY, headers=headers).status_code == 200


def test_a_handshake_that_does_not_come_is_not_waited_for(world: World, settings: Settings, state: StateDb) -> None:
    quick = load_settings(**settings.model_dump() | {"otlp_header_timeout_s": 0.3})
    with serving(world, quick, state, clients=False) as rig:
        for port in (rig.collector.http_port, rig.collector.grpc_port):
            with socket.create_connection((HOST, port), timeout=10) as silent:
                assert silent.recv(1) == b""


# --- the files ---


def expired(world: World) -> None:
    world.issue(not_after=datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1))


MISTAKES: dict[str, tuple[Callable[[World], object], str]] = {
    "no certificate file": (lambda world: world.cert.unlink(), r"cert\.pem cannot be read: No such file"),
    "no key file": (lambda world: world.key.unlink(), r"key\.pem cannot be read: No such file"),
    "no authorities": (lambda world: world.ca.unlink(), r"clients\.pem cannot be read"),
    "a certificate that is none": (lambda world: world.cert.write_text("x"), "holds no certificate in PEM"),
    "authorities that are none": (lambda world: world.ca.write_text("x"), "tls_client_ca_file names .*no certificate"),
    "a key that is none": (lambda world: world.key.write_text("x"), "holds no private key in PEM"),
    "another's key": (
        lambda world: world.stranger.issue_cert("x").private_key_pem.write_to_path(world.key),
        "does not belong to the first certificate",
    ),
    "an expired certificate": (expired, "expired at"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_file_is_named_at_the_start(world: World, mistake: str) -> None:
    """By its setting or its path, and never with what is in it."""
    make, said = MISTAKES[mistake]
    make(world)
    with pytest.raises(ConfigurationError, match=said) as problem:
        TlsMaterial(world.cert, world.key, world.ca, SystemClock())
    assert "BEGIN" not in str(problem.value)


def test_a_certificate_of_tomorrow_is_refused(world: World) -> None:
    yesterday = ManualClock(datetime.datetime(1999, 1, 1, tzinfo=datetime.UTC))
    with pytest.raises(ConfigurationError, match="valid from"):
        TlsMaterial(world.cert, world.key, None, yesterday)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tls_cert_file": "c"}, "belong together"),
        ({"tls_key_file": "k"}, "belong together"),
        ({"tls_client_ca_file": "a"}, "needs tls_cert_file"),
    ],
)
def test_settings_that_do_not_fit_are_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load_settings(**given)


def test_without_settings_there_is_no_tls() -> None:
    assert open_tls(load_settings(), SystemClock(), ask_clients=True) is None


def test_who_a_certificate_stands_for(world: World) -> None:
    leaf = world.client_ca.issue_cert(
        "till.shop.example", "ops@shop.example", common_name="till 7", organization_name="shop"
    )
    pem = leaf.cert_chain_pems[0].bytes()
    der = ssl.PEM_cert_to_DER_cert(pem.decode())
    assert set(certificate_identities(der)) == {"CN:till 7", "DNS:till.shop.example", "EMAIL:ops@shop.example"}
    assert pem_identities(pem) == certificate_identities(der)
    assert certificate_identities(None) == () == pem_identities(None)
