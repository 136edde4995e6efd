"""By what a number over a canonical view can be split: names for people, expressions over the view's columns.

A definition has those of its view, unless its key `dimensions` says otherwise: a list keeps only the named ones, a
table of names and expressions adds others (an empty expression takes one away). Nothing is stored by them: they are
worked out when somebody asks, so a dimension more costs nothing until then.
"""

from __future__ import annotations

DIMENSIONS: dict[str, dict[str, str]] = {
    "orders": {
        "channel": "Channel", "warehouse": "LocationId", "currency": "Currency", "cancel_reason": "CancelReason",
    },
    "order_lines": {"channel": "Channel", "sku": "Sku", "promotion": "PromotionId", "currency": "Currency"},
    "returns": {"reason": "Reason", "disposition": "Disposition", "sku": "Sku", "currency": "Currency"},
    "purchases": {"supplier": "SupplierId", "sku": "Sku", "currency": "Currency"},
    "promotions": {"supplier": "SupplierId", "currency": "Currency"},
    "intervals": {
        "label": "Label", "resource": "Resource", "result": "Result", "ended_by": "EndActor", "stream": "Stream",
    },
    "work": {"stream": "Stream"},
    "movements": {"kind": "Kind", "channel": "Channel", "sku": "Sku", "reason": "Reason", "currency": "Currency"},
    "reconciliations": {"period": "PeriodId", "actor": "ActorType", "resource": "Resource", "currency": "Currency"},
    "stock_counts": {"warehouse": "LocationId", "sku": "Sku"},
    "stock_outs": {"warehouse": "LocationId", "sku": "Sku"},
    "stock_updates": {"system": "System", "warehouse": "LocationId", "sku": "Sku"},
    "price_checks": {"channel": "Channel", "sku": "Sku", "currency": "Currency"},
}  # fmt: skip
