"""TLS for the doors: the files checked before they are used, read again when they change, and who a client is.

A certificate that is renewed in place serves the next handshake; open connections keep the old one. What is wrong with
new files is logged, and the old ones go on serving. Client certificates are verified against the authorities in the
file alone; revocation lists are not looked at (revoke the key that stands for the certificate instead).
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from core import Clock, ConfigurationError, Settings, get_logger

_log = get_logger("collector.tls")
CERTIFICATE_HEADER = ":client-certificate"
"""Beside the headers, the identities of a verified client certificate, one a line; no caller can send such a name."""
LOOK_S = 1.0
SOON = timedelta(days=14)


@dataclass(frozen=True)
class _Loaded:
    cert: bytes
    key: bytes
    client_ca: bytes | None
    ends_at: datetime
    context: ssl.SSLContext
    stamp: tuple[tuple[int, int, int], ...]


class TlsMaterial:
    """The files of one set of doors. Raises ConfigurationError when they cannot be used at the start."""

    def __init__(self, cert: Path, key: Path, client_ca: Path | None, clock: Clock) -> None:
        self._cert, self._key, self._client_ca, self._clock = cert, key, client_ca, clock
        self._lock = threading.Lock()
        self._looked_at = clock.monotonic()
        self._loaded = self._load()
        self._seen = self._loaded.stamp
        self._warn_soon()

    @property
    def ends_at(self) -> datetime:
        """When the certificate in use expires."""
        return self._loaded.ends_at

    @property
    def asks_clients(self) -> bool:
        """Whether callers must show a certificate."""
        return self._client_ca is not None

    def current(self) -> _Loaded:
        """What the next handshake uses."""
        with self._lock:
            now = self._clock.monotonic()
            if now - self._looked_at >= LOOK_S:
                self._looked_at = now
                self._look()
            return self._loaded

    def ssl_context(self) -> ssl.SSLContext:
        """For asyncio's servers; every handshake uses the files as they are then."""
        return _Following(self)

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """For a gRPC server; every handshake uses the files as they are then."""
        told = self.current()

        def fetch() -> Any:
            nonlocal told
            found = self.current()
            if found is told:
                return None
            told = found
            return _grpc_configuration(found)

        return grpc.dynamic_ssl_server_credentials(
            _grpc_configuration(told), fetch, require_client_authentication=self.asks_clients
        )

    def _look(self) -> None:
        try:
            stamp = self._stamp()
        except OSError:
            return  # being replaced; there will be another handshake
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._loaded = self._load()
        except ConfigurationError as error:
            _log.error("the new TLS files cannot be used; the old ones go on serving", error=str(error))
            return
        _log.info("TLS files read again", certificate_ends=self._loaded.ends_at.isoformat())
        self._warn_soon()

    def _warn_soon(self) -> None:
        if self._loaded.ends_at - self._clock.now() < SOON:
            _log.warning("the TLS certificate ends soon", ends=self._loaded.ends_at.isoformat(), file=str(self._cert))

    def _files(self) -> list[Path]:
        return [self._cert, self._key, *([self._client_ca] if self._client_ca else [])]

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        stats = [path.stat() for path in self._files()]
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)

    def _load(self) -> _Loaded:
        try:
            stamp = self._stamp()
        except OSError as error:
            raise ConfigurationError(f"the TLS file {error.filename} cannot be read: {error.strerror}") from None
        cert, key = _read("tls_cert_file", self._cert), _read("tls_key_file", self._key)
        client_ca = _read("tls_client_ca_file", self._client_ca) if self._client_ca else None
        leaf = _certificates("tls_cert_file", self._cert, cert)[0]
        _check_pair(leaf, key, self._cert, self._key)
        _check_time(leaf, self._cert, self._clock.now())
        if client_ca is not None and self._client_ca:
            _certificates("tls_client_ca_file", self._client_ca, client_ca)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(self._cert, self._key)
            if client_ca is not None:
                context.load_verify_locations(cadata=client_ca.decode("ascii", "replace"))
                context.verify_mode = ssl.CERT_REQUIRED
        except (ssl.SSLError, OSError) as error:
            raise ConfigurationError(f"the TLS files cannot be used: {error}") from None
        return _Loaded(cert, key, client_ca, leaf.not_valid_after_utc, context, stamp)


class _Following(ssl.SSLContext):
    """Hands every connection to the context of the moment."""

    _material: TlsMaterial

    def __new__(cls, material: TlsMaterial) -> _Following:
        made = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        made._material = material
        return made

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """Called once for each connection."""
        return self._material.current().context.wrap_bio(*args, **options)


def open_tls(settings: Settings, clock: Clock, *, ask_clients: bool) -> TlsMaterial | None:
    """What the settings name, None without TLS; `ask_clients` is for the doors of OTLP. Raises ConfigurationError."""
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    ca = settings.tls_client_ca_file if ask_clients else None
    return TlsMaterial(settings.tls_cert_file, settings.tls_key_file, ca, clock)


def certificate_identities(der: bytes | None) -> tuple[str, ...]:
    """Who a verified certificate stands for: `CN:…`, `DNS:…`, `URI:…`, `EMAIL:…`, in this order."""
    return _identities(der) if der else ()


@lru_cache(maxsize=1024)
def _identities(der: bytes) -> tuple[str, ...]:
    return _names_of(x509.load_der_x509_certificate(der))


def pem_identities(pem: bytes | None) -> tuple[str, ...]:
    """Like `certificate_identities`, of a PEM text."""
    return _pem_identities(pem) if pem else ()


@lru_cache(maxsize=1024)
def _pem_identities(pem: bytes) -> tuple[str, ...]:
    return _names_of(x509.load_pem_x509_certificate(pem))


def _names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    found = [f"CN:{one.value!s}" for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = None
    kinds: tuple[tuple[str, Callable[[], list[str]]], ...] = ()
    if names is not None:
        kinds = (
            ("DNS", lambda: list(names.get_values_for_type(x509.DNSName))),
            ("URI", lambda: list(names.get_values_for_type(x509.UniformResourceIdentifier))),
            ("EMAIL", lambda: list(names.get_values_for_type(x509.RFC822Name))),
        )
    found += [f"{kind}:{name}" for kind, values in kinds for name in values()]
    return tuple(one for one in found if one.isprintable())


def _grpc_configuration(loaded: _Loaded) -> Any:
    pairs = [(loaded.key, loaded.cert)]
    return grpc.ssl_server_certificate_configuration(pairs, root_certificates=loaded.client_ca)


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{setting} names {path}, which cannot be read: {error.strerror}") from None


def _certificates(setting: str, path: Path, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise ConfigurationError(f"{setting} names {path}, which holds no certificate in PEM") from None


def _check_pair(leaf: x509.Certificate, key: bytes, cert_path: Path, key_path: Path) -> None:
    try:
        private = load_pem_private_key(key, None)
    except TypeError:
        raise ConfigurationError(
            f"the key in {key_path} has a pass phrase", hint="store it without one, readable by the service alone"
        ) from None
    except ValueError:
        raise ConfigurationError(f"tls_key_file names {key_path}, which holds no private key in PEM") from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise ConfigurationError(
            f"the key in {key_path} does not belong to the first certificate in {cert_path}",
            hint="put the server's own certificate first, its authorities after it",
        )


def _check_time(leaf: x509.Certificate, path: Path, now: datetime) -> None:
    if now >= leaf.not_valid_after_utc:
        raise ConfigurationError(f"the certificate in {path} expired at {leaf.not_valid_after_utc.isoformat()}")
    if now < leaf.not_valid_before_utc:
        raise ConfigurationError(
            f"the certificate in {path} is valid from {leaf.not_valid_before_utc.isoformat()}",
            hint="check this machine's clock",
        )
