"""The message: Alertmanager's webhook shape, version 4, with one alert in it.

Receivers written for Alertmanager read it unchanged. The text is made once, when the notification is decided, so every
attempt carries the same bytes under the same `webhook-id`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

NEVER = "0001-01-01T00:00:00Z"
"""What Alertmanager writes as the end of an alert that has none yet."""

_FNV_OFFSET, _FNV_PRIME, _MASK = 0xCBF29CE484222325, 0x100000001B3, 0xFFFFFFFFFFFFFFFF


class Status(StrEnum):
    """What a notification tells."""

    FIRING = "firing"
    RESOLVED = "resolved"


def fingerprint(labels: Mapping[str, str]) -> str:
    """Prometheus' fingerprint of a label set: FNV-1a, 64 bits, over sorted names and values, each ended by 0xFF."""
    digest = _FNV_OFFSET
    for name in sorted(labels):
        for byte in f"{name}".encode() + b"\xff" + labels[name].encode() + b"\xff":
            digest = ((digest ^ byte) * _FNV_PRIME) & _MASK
    return f"{digest:016x}"


def message_id(tenant: str, rule_id: str, series: str, fired_at: datetime, status: Status) -> str:
    """The `webhook-id`: the same for the same status of the same episode, whoever computes it, however often."""
    text = json.dumps([tenant, rule_id, series, _instant(fired_at), status.value])
    return f"msg_{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def message(
    *,
    receiver: str,
    status: Status,
    labels: Mapping[str, str],
    group_by: tuple[str, ...],
    annotations: Mapping[str, str],
    starts_at: datetime,
    ends_at: datetime | None,
    external_url: str,
) -> str:
    """The JSON text. `group_by` names the labels that make the group key."""
    group = {name: labels[name] for name in group_by if name in labels}
    key = ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in sorted(group.items()))
    alert = {
        "status": status.value,
        "labels": dict(labels),
        "annotations": dict(annotations),
        "startsAt": _instant(starts_at),
        "endsAt": _instant(ends_at) if ends_at else NEVER,
        "generatorURL": external_url,
        "fingerprint": fingerprint(labels),
    }
    document = {
        "version": "4",
        "groupKey": f"{{}}:{{{key}}}",
        "truncatedAlerts": 0,
        "status": status.value,
        "receiver": receiver,
        "groupLabels": group,
        "commonLabels": dict(labels),
        "commonAnnotations": dict(annotations),
        "externalURL": external_url,
        "alerts": [alert],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
