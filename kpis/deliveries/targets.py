"""One attempt to hand a file to a target, and what came of it. Nothing here retries or raises for a target's failure.

Delivery is at least once: an answer that got lost leads to another attempt under the same id, which the receiver
sees (Message-ID and X-Opsintel-Delivery, webhook-id, the file's name or the object's key). No detail carries a secret.
A webhook's host is looked up once, checked and called at that address; Arrow looks a bucket's host up for itself.
"""

from __future__ import annotations

import base64
import filecmp
import os
import shutil
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import orjson
from standardwebhooks import Webhook

from core.errors import Forbidden, Unavailable
from core.sending import Delivered, Rejected, Result, RetryAfter, of_answer
from kpis.deliveries.hosts import addresses
from kpis.deliveries.mail import Smtp, send_mail
from kpis.deliveries.parcels import Parcel
from kpis.deliveries.spool import sync_folder
from kpis.deliveries.subscriptions import DirectoryTarget, EmailTarget, S3Target, Target, WebhookTarget

WEBHOOK_BYTES = 25_000_000
CHUNK = 1 << 20


@dataclass(frozen=True)
class Sender:
    """Everything that a tenant's targets share. environment: where secrets are looked up, by the name a target gives.

    directory_root: the folder below which reports may be laid. private_hosts: hosts that may be called though their
    addresses are private, in lower case. tls: what certificates of webhooks are checked against, else the usual ones.
    """

    environment: Mapping[str, str] = field(repr=False)
    directory_root: Path | None = None
    smtp: Smtp | None = None
    private_hosts: frozenset[str] = frozenset()
    timeout_s: float = 10.0
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def send(self, target: Target, parcel: Parcel, now: datetime) -> Result:
        """One attempt."""
        if isinstance(target, EmailTarget):
            return send_mail(self.smtp, target, parcel, now)
        if isinstance(target, DirectoryTarget):
            return _directory(self.directory_root, target, parcel)
        if isinstance(target, S3Target):
            return _s3(self, target, parcel)
        return _webhook(self, target, parcel, now)


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
            same = final.is_file() and filecmp.cmp(final, parcel.file, shallow=False)
            return Delivered("it was there") if same else Rejected(f"{final.name!r} is there with other content")
        with partial.open("wb") as out, parcel.file.open("rb") as content:
            shutil.copyfileobj(content, out, CHUNK)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(final)
        sync_folder(folder)
    except OSError as problem:
        return RetryAfter(f"the folder cannot be written to: {problem.strerror}")
    return Delivered(str(final.relative_to(base)))


def _s3(sender: Sender, target: S3Target, parcel: Parcel) -> Result:
    """The id is in the key: Arrow passes no metadata of our own on."""
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem  # takes long to load, and few have such a target

    access, secret = sender.environment.get(target.access_key_env), sender.environment.get(target.secret_key_env)
    if not access or not secret:
        return RetryAfter(f"{target.access_key_env} or {target.secret_key_env} is not set")
    endpoint = httpx.URL(target.endpoint)
    if endpoint.host:
        try:
            addresses(endpoint.host, endpoint.port or 443, sender.private_hosts)
        except Unavailable as problem:
            return RetryAfter(problem.message)
        except Forbidden as problem:
            return Rejected(problem.message)
    try:
        store = S3FileSystem(
            access_key=access,
            secret_key=secret,
            region=target.region,
            scheme=endpoint.scheme or "https",
            endpoint_override=endpoint.netloc.decode() or None,
            connect_timeout=sender.timeout_s,
            request_timeout=sender.timeout_s,
            background_writes=False,
            retry_strategy=AwsStandardS3RetryStrategy(max_attempts=1),
        )
        key = f"{target.bucket}/{target.prefix}{parcel.unique_name}"
        with (
            parcel.file.open("rb") as content,
            store.open_output_stream(key, metadata={"Content-Type": parcel.media_type}) as out,
        ):
            shutil.copyfileobj(content, out, CHUNK)
    except OSError as problem:
        text = str(problem).replace(access, "…").replace(secret, "…")
        return RetryAfter(f"the bucket {target.bucket!r} did not take it: {text[:300]}")
    return Delivered(key)


def _webhook(sender: Sender, target: WebhookTarget, parcel: Parcel, now: datetime) -> Result:
    secret = sender.environment.get(target.secret_env)
    if not secret:
        return RetryAfter(f"{target.secret_env} is not set")
    size = parcel.file.stat().st_size
    if size > WEBHOOK_BYTES:
        return Rejected(f"the file has {size:,} bytes, more than the {WEBHOOK_BYTES:,} a webhook may carry")
    body = _body(parcel)
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
        status, wish = _post(sender, httpx.URL(target.url), body, headers)
    except (Unavailable, Forbidden) as problem:
        return RetryAfter(problem.message) if isinstance(problem, Unavailable) else Rejected(problem.message)
    except httpx.RequestError as problem:
        return RetryAfter(f"no answer: {type(problem).__name__}")
    return of_answer(status, wish, now)


def _post(sender: Sender, url: httpx.URL, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
    """Status and Retry-After, from the first of the host's addresses that takes a connection."""
    port = url.port or (443 if url.scheme == "https" else 80)
    found = addresses(url.host, port, sender.private_hosts)
    own = {**headers, "host": url.netloc.decode()}
    trusted = sender.tls or True
    with httpx.Client(timeout=sender.timeout_s, follow_redirects=False, trust_env=False, verify=trusted) as client:
        for number, address in enumerate(found):
            try:
                with client.stream(
                    "POST",
                    url.copy_with(host=address),
                    content=body,
                    headers=own,
                    extensions={"sni_hostname": url.host},
                ) as answer:
                    return answer.status_code, answer.headers.get("retry-after", "")
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if number == len(found) - 1:
                    raise
    raise Unavailable(f"the host {url.host!r} has no address")


def _body(parcel: Parcel) -> bytes:
    content = base64.b64encode(parcel.file.read_bytes()).decode()
    return orjson.dumps(
        {
            "id": parcel.id,
            "tenant": parcel.tenant,
            "report": parcel.title,
            "start": parcel.start,
            "end": parcel.end,
            "data_through": parcel.data_through,
            "file": {"name": parcel.name, "media_type": parcel.media_type, "base64": content},
        }
    )
