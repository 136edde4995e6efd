"""One attempt to hand a file to a target, and what came of it. Nothing here retries or raises for a target's failure.

Delivery is at least once: an answer that got lost leads to another attempt under the same id, which the receiver
sees (Message-ID and X-Opsintel-Delivery, webhook-id, the file's name or the object's key). No detail carries a secret.
The address of a webhook's host is checked before the call; a name that changes between check and call is not caught.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import smtplib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parsedate_to_datetime
from html import escape
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import httpx
import orjson
from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem
from standardwebhooks import Webhook

from kpis.deliveries.subscriptions import DirectoryTarget, EmailTarget, S3Target, Target, WebhookTarget

MAX_RETRY_AFTER_S = 3_600.0


@dataclass(frozen=True)
class Delivered:
    """The receiver took it."""

    detail: str = ""


@dataclass(frozen=True)
class RetryAfter:
    """It may work later; `seconds` is the receiver's own wish, if it had one."""

    detail: str
    seconds: float | None = None


@dataclass(frozen=True)
class Rejected:
    """The receiver will never take it."""

    detail: str


Result = Delivered | RetryAfter | Rejected


@dataclass(frozen=True)
class Parcel:
    """What is sent. headlines: label and text, as the body of an e-mail shows them."""

    id: str
    tenant: str
    title: str
    start: datetime
    end: datetime
    name: str
    media_type: str
    data: bytes
    data_through: datetime | None = None
    headlines: tuple[tuple[str, str], ...] = ()

    @property
    def unique_name(self) -> str:
        """The file's name with the id in it."""
        path = Path(self.name)
        return f"{path.stem}-{self.id}{path.suffix}"


@dataclass(frozen=True)
class Smtp:
    """The mail server. plain: without TLS, for loopback alone unless allow_plain."""

    host: str
    sender: str
    port: int = 587
    security: Literal["starttls", "tls", "plain"] = "starttls"
    username: str = ""
    password: str = field(default="", repr=False)
    allow_plain: bool = False
    timeout_s: float = 20.0
    max_bytes: int = 10_000_000
    tls: ssl.SSLContext | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Sender:
    """Everything that targets share. environment: where secrets are looked up, by the name a target gives."""

    environment: Mapping[str, str] = field(repr=False)
    directory_root: Path | None = None
    smtp: Smtp | None = None
    allow_private_hosts: bool = False
    timeout_s: float = 20.0

    def send(self, target: Target, parcel: Parcel, now: datetime) -> Result:
        """One attempt."""
        if isinstance(target, EmailTarget):
            return _email(self.smtp, target, parcel, now)
        if isinstance(target, DirectoryTarget):
            return _directory(self.directory_root, target, parcel)
        if isinstance(target, S3Target):
            return _s3(self, target, parcel)
        return _webhook(self, target, parcel, now)


def _email(smtp: Smtp | None, target: EmailTarget, parcel: Parcel, now: datetime) -> Result:
    if smtp is None:
        return Rejected("no mail server is configured")
    if len(parcel.data) > smtp.max_bytes:
        return Rejected(f"the file has {len(parcel.data):,} bytes, more than the {smtp.max_bytes:,} a mail may carry")
    if smtp.security == "plain" and not (smtp.allow_plain or _loopback(smtp.host)):
        return Rejected("mail without TLS goes to loopback alone unless it is allowed")
    mail = _mail(smtp.sender, target, parcel, now)
    context = smtp.tls or ssl.create_default_context()
    try:
        server = (
            smtplib.SMTP_SSL(smtp.host, smtp.port, timeout=smtp.timeout_s, context=context)
            if smtp.security == "tls"
            else smtplib.SMTP(smtp.host, smtp.port, timeout=smtp.timeout_s)
        )
        try:
            if smtp.security == "starttls":
                server.starttls(context=context)
            if smtp.username:
                server.login(smtp.username, smtp.password)
            refused = server.send_message(mail)
        finally:
            server.close()
    except smtplib.SMTPAuthenticationError as problem:
        return RetryAfter(f"the mail server did not accept the log-in ({problem.smtp_code})")
    except smtplib.SMTPRecipientsRefused as problem:
        codes = [code for code, _ in problem.recipients.values()]
        detail = "every recipient was refused: " + _refusals(problem.recipients)
        return RetryAfter(detail) if any(code < 500 for code in codes) else Rejected(detail)
    except smtplib.SMTPResponseException as problem:
        detail = f"the mail server answered {problem.smtp_code}"
        return Rejected(detail) if 500 <= problem.smtp_code < 600 else RetryAfter(detail)
    except smtplib.SMTPNotSupportedError as problem:
        return Rejected(f"the mail server cannot do this: {problem}")
    except (OSError, smtplib.SMTPException) as problem:
        return RetryAfter(f"the mail server was lost: {type(problem).__name__}")
    return Delivered(f"refused for {_refusals(refused)}" if refused else f"taken for {len(target.to)}")


def _mail(sender: str, target: EmailTarget, parcel: Parcel, now: datetime) -> EmailMessage:
    """EmailMessage refuses line breaks in headers, so that no value can add one."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = ", ".join(target.to)
    mail["Subject"] = parcel.title
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{parcel.id}@opsintel.invalid>"
    mail["X-Opsintel-Delivery"] = parcel.id
    period = f"{parcel.start:%Y-%m-%d %H:%M} to {parcel.end:%Y-%m-%d %H:%M} UTC"
    lines = [f"{label}: {text}" for label, text in parcel.headlines]
    mail.set_content("\n".join([parcel.title, period, "", *lines]))
    rows = "".join(f"<tr><td>{escape(label)}</td><td>{escape(text)}</td></tr>" for label, text in parcel.headlines)
    mail.add_alternative(f"<h1>{escape(parcel.title)}</h1><p>{period}</p><table>{rows}</table>", subtype="html")
    main, _, sub = parcel.media_type.partition("/")
    mail.add_attachment(parcel.data, maintype=main, subtype=sub, filename=parcel.name)
    return mail


def _refusals(refused: Mapping[str, tuple[int, bytes]]) -> str:
    return ", ".join(f"{who} ({code})" for who, (code, _) in refused.items())


def _directory(root: Path | None, target: DirectoryTarget, parcel: Parcel) -> Result:
    if root is None:
        return Rejected("no folder for reports is configured")
    base = root.resolve()
    folder = (base / target.path).resolve()
    if not folder.is_relative_to(base):
        return Rejected(f"{target.path!r} leads out of the folder for reports")
    final = folder / parcel.unique_name
    partial = folder / f".{parcel.unique_name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if final.exists():
            same = final.read_bytes() == parcel.data
            return Delivered("it was there") if same else Rejected(f"{final.name!r} is there with other content")
        with partial.open("wb") as out:
            out.write(parcel.data)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(final)
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as problem:
        return RetryAfter(f"the folder cannot be written to: {problem.strerror}")
    return Delivered(str(final.relative_to(base)))


def _s3(sender: Sender, target: S3Target, parcel: Parcel) -> Result:
    """The id is in the key: Arrow passes no metadata of our own on."""
    access, secret = sender.environment.get(target.access_key_env), sender.environment.get(target.secret_key_env)
    if not access or not secret:
        return RetryAfter(f"{target.access_key_env} or {target.secret_key_env} is not set")
    endpoint = urlsplit(target.endpoint)
    try:
        store = S3FileSystem(
            access_key=access,
            secret_key=secret,
            region=target.region,
            scheme=endpoint.scheme or "https",
            endpoint_override=endpoint.netloc or None,
            connect_timeout=sender.timeout_s,
            request_timeout=sender.timeout_s,
            background_writes=False,
            retry_strategy=AwsStandardS3RetryStrategy(max_attempts=1),
        )
        key = f"{target.bucket}/{target.prefix}{parcel.unique_name}"
        with store.open_output_stream(key, metadata={"Content-Type": parcel.media_type}) as out:
            out.write(parcel.data)
    except OSError as problem:
        text = str(problem).replace(access, "…").replace(secret, "…")
        return RetryAfter(f"the bucket {target.bucket!r} did not take it: {text[:300]}")
    return Delivered(key)


def _webhook(sender: Sender, target: WebhookTarget, parcel: Parcel, now: datetime) -> Result:
    secret = sender.environment.get(target.secret_env)
    if not secret:
        return RetryAfter(f"{target.secret_env} is not set")
    host = urlsplit(target.url).hostname or ""
    if not sender.allow_private_hosts:
        try:
            found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
        except OSError:
            return RetryAfter(f"the host {host!r} is not known")
        if not all(ipaddress.ip_address(address.partition("%")[0]).is_global for address in found):
            return Rejected(f"{host!r} is an address of a private network, which is not allowed")
    body = orjson.dumps(
        {
            "id": parcel.id,
            "tenant": parcel.tenant,
            "report": parcel.title,
            "start": parcel.start,
            "end": parcel.end,
            "data_through": parcel.data_through,
            "file": {
                "name": parcel.name,
                "media_type": parcel.media_type,
                "base64": base64.b64encode(parcel.data).decode(),
            },
        }
    )
    try:
        signature = Webhook(secret).sign(parcel.id, now.astimezone(UTC), body.decode())
    except (ValueError, RuntimeError):
        return Rejected(f"{target.secret_env} holds no webhook secret (whsec_ and base64)")
    headers = {
        "content-type": "application/json",
        "webhook-id": parcel.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    try:
        with (
            httpx.Client(timeout=sender.timeout_s, follow_redirects=False, trust_env=False) as client,
            client.stream("POST", target.url, content=body, headers=headers) as answer,
        ):
            status, wish = answer.status_code, answer.headers.get("retry-after", "")
    except httpx.RequestError as problem:
        return RetryAfter(f"no answer: {type(problem).__name__}")
    detail = f"the receiver answered {status}"
    if 200 <= status < 300:
        return Delivered(detail)
    if status in (408, 425, 429) or status >= 500:
        return RetryAfter(detail, _seconds(wish, now))
    return Rejected(detail)


def _seconds(header: str, now: datetime) -> float | None:
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:10]), MAX_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((aware - now).total_seconds(), 0.0), MAX_RETRY_AFTER_S)


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
