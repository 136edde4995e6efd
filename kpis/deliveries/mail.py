"""A report as an e-mail: one attempt. TLS is never given up for plain text when the server offers none.

Recipients are told one by one: who has the mail is noted and left out of the next attempt, whoever was refused for now
is tried again, and one that is refused for good makes the delivery fail, though the others have it.
"""

from __future__ import annotations

import ipaddress
import smtplib
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape
from typing import Literal

from core.sending import Delivered, Rejected, Result, RetryAfter
from kpis.deliveries.parcels import Parcel
from kpis.deliveries.subscriptions import EmailTarget


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
    timeout_s: float = 10.0
    max_bytes: int = 10_000_000
    tls: ssl.SSLContext | None = field(default=None, repr=False)


def send_mail(smtp: Smtp | None, target: EmailTarget, parcel: Parcel, now: datetime) -> Result:
    """To the recipients that do not have it yet."""
    if smtp is None:
        return Rejected("no mail server is configured")
    size = parcel.file.stat().st_size
    if size > smtp.max_bytes:
        return Rejected(f"the file has {size:,} bytes, more than the {smtp.max_bytes:,} a mail may carry")
    if smtp.security == "plain" and not (smtp.allow_plain or _loopback(smtp.host)):
        return Rejected("mail without TLS goes to loopback alone unless it is allowed")
    open_ones = [one for one in target.to if one not in parcel.taken]
    if not open_ones:
        return Delivered(f"taken for {len(target.to)}")
    mail = _mail(smtp.sender, target, parcel, now)
    try:
        with _session(smtp) as server:
            refused = server.send_message(mail, smtp.sender, open_ones)
    except smtplib.SMTPAuthenticationError as problem:
        return RetryAfter(f"the mail server did not accept the log-in ({problem.smtp_code})")
    except smtplib.SMTPRecipientsRefused as problem:
        return _told(target, parcel, open_ones, problem.recipients)
    except smtplib.SMTPResponseException as problem:
        detail = f"the mail server answered {problem.smtp_code}"
        return Rejected(detail) if 500 <= problem.smtp_code < 600 else RetryAfter(detail)
    except smtplib.SMTPNotSupportedError as problem:
        return Rejected(f"the mail server cannot do this: {problem}")
    except ssl.SSLCertVerificationError as problem:
        return RetryAfter(f"the mail server's certificate is not trusted: {problem.verify_message}")
    except (OSError, smtplib.SMTPException) as problem:
        return RetryAfter(f"the mail server was lost: {type(problem).__name__}")
    return _told(target, parcel, open_ones, refused)


def _told(
    target: EmailTarget, parcel: Parcel, tried: Sequence[str], refused: Mapping[str, tuple[int, bytes]]
) -> Result:
    taken = parcel.taken | {one for one in tried if one not in refused}
    if not refused:
        return Delivered(f"taken for {len(target.to)}")
    named = ", ".join(f"{who} ({code})" for who, (code, _) in refused.items())
    detail = f"taken for {len(taken)} of {len(target.to)}, refused for {named}"
    # Those refused for good stay refused when the others are tried again, and are what remains in the end.
    if any(code < 500 for code, _ in refused.values()):
        return RetryAfter(detail, taken=taken)
    return Rejected(detail, taken)


@contextmanager
def _session(smtp: Smtp) -> Iterator[smtplib.SMTP]:
    context = smtp.tls or ssl.create_default_context()
    name = socket.gethostname()  # the full name may wait for a name server
    server = (
        smtplib.SMTP_SSL(smtp.host, smtp.port, name, timeout=smtp.timeout_s, context=context)
        if smtp.security == "tls"
        else smtplib.SMTP(smtp.host, smtp.port, name, timeout=smtp.timeout_s)
    )
    try:
        if smtp.security == "starttls":
            server.starttls(context=context)
        if smtp.username:
            server.login(smtp.username, smtp.password)
        yield server
        with suppress(OSError, smtplib.SMTPException):  # it has the mail; how it says good-bye is its own affair
            server.quit()
    finally:
        server.close()


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
    through = f"data through {parcel.data_through:%Y-%m-%d %H:%M} UTC" if parcel.data_through else "no data yet"
    lines = [f"{label}: {text}" for label, text in parcel.headlines]
    mail.set_content("\n".join([parcel.title, f"{period}, {through}", "", *lines]))
    rows = "".join(f"<tr><td>{escape(label)}</td><td>{escape(text)}</td></tr>" for label, text in parcel.headlines)
    head = f"<h1>{escape(parcel.title)}</h1><p>{period}, {through}</p>"
    mail.add_alternative(f"{head}<table>{rows}</table>", subtype="html")
    main, _, sub = parcel.media_type.partition(";")[0].strip().partition("/")
    mail.add_attachment(parcel.file.read_bytes(), maintype=main, subtype=sub, filename=parcel.name)
    return mail


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
