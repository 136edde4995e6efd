"""The names telemetry is pushed with: attributes, metrics and the values some of them are limited to, as typed data.

OpenTelemetry's semantic conventions come first; `retail.*` adds what they lack. The names of business events live in
`metrics/events/*.toml`. `docs/conventions.md` is generated from this file. Nothing here refuses data at the door: an
attribute that is not listed is stored like any other, it is only not understood by the product.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class ValueType(StrEnum):
    """What an attribute's value must be."""

    STRING = "string"
    INT = "int"
    DECIMAL = "decimal"  # a number, or its decimal text, which keeps money exact
    TIME = "time"  # ISO 8601 with an offset, or nanoseconds since the Unix epoch as an integer or its text
    EDGE = "edge"  # source->target


class Stream(StrEnum):
    """The value streams of the product; more can be configured."""

    ORDER_TO_CASH = "order-to-cash"
    PROCURE_TO_PAY = "procure-to-pay"
    RETURN_TO_RESOLUTION = "return-to-resolution"
    FORECAST_TO_REPLENISH = "forecast-to-replenish"
    PROMOTION_TO_SETTLEMENT = "promotion-to-settlement"
    CUSTOMER_LIFECYCLE = "customer-lifecycle"
    MASTER_DATA = "master-data"
    RECORD_TO_REPORT = "record-to-report"


class ActorType(StrEnum):
    """Who performed a step."""

    HUMAN = "human"
    SYSTEM = "system"
    AGENT = "agent"


class CancelReason(StrEnum):
    """Why an order or one of its lines was cancelled; `customer` is the customer's own wish."""

    CUSTOMER = "customer"
    OUT_OF_STOCK = "out_of_stock"
    PAYMENT = "payment"
    FRAUD = "fraud"


class ExceptionCategory(StrEnum):
    """The taxonomy of exceptions that stop or bend a case."""

    PAYMENT_DECLINED = "payment_declined"
    FRAUD_SUSPECTED = "fraud_suspected"
    ADDRESS_INVALID = "address_invalid"
    STOCK_SHORTAGE = "stock_shortage"
    LATE_DELIVERY = "late_delivery"
    DAMAGED_GOODS = "damaged_goods"
    QUANTITY_MISMATCH = "quantity_mismatch"
    PRICE_MISMATCH = "price_mismatch"
    SETTLEMENT_DIFFERENCE = "settlement_difference"
    INTEGRATION_FAILURE = "integration_failure"
    DATA_QUALITY = "data_quality"
    OTHER = "other"


# --- the workflow instance ---
STREAM: Final = "retail.stream"
CASE_ID: Final = "retail.case.id"
STEP: Final = "retail.step"
STEP_START: Final = "retail.step.start"
SEQ: Final = "retail.seq"
EVENT_ID: Final = "retail.event.id"
ACTOR_TYPE: Final = "retail.actor.type"
RESOURCE: Final = "retail.resource"

# --- the objects an event touches ---
ORDER_ID: Final = "retail.order.id"
ORDER_LINE_ID: Final = "retail.order.line.id"
SKU: Final = "retail.sku"
LOCATION_ID: Final = "retail.location.id"
CHANNEL: Final = "retail.channel"
CUSTOMER_ID: Final = "retail.customer.id"
SHIPMENT_ID: Final = "retail.shipment.id"
INVOICE_ID: Final = "retail.invoice.id"
SUPPLIER_ID: Final = "retail.supplier.id"
PURCHASE_ORDER_ID: Final = "retail.purchase_order.id"
REPLENISHMENT_ID: Final = "retail.replenishment.id"
RETURN_ID: Final = "retail.return.id"
REFUND_ID: Final = "retail.refund.id"
PROMOTION_ID: Final = "retail.promotion.id"
CLAIM_ID: Final = "retail.claim.id"
CUSTOMER_CASE_ID: Final = "retail.customer_case.id"
WARRANTY_ID: Final = "retail.warranty.id"
SUBSCRIPTION_ID: Final = "retail.subscription.id"
ACCOUNT_ID: Final = "retail.account.id"
PERIOD_ID: Final = "retail.period.id"
RECONCILIATION_ID: Final = "retail.reconciliation.id"
APPROVAL_ID: Final = "retail.approval.id"
EXCEPTION_ID: Final = "retail.exception.id"

# --- the numbers that are added up ---
QUANTITY: Final = "retail.quantity"
AMOUNT: Final = "retail.amount"
CURRENCY: Final = "retail.currency"
STOCK_LEVEL: Final = "retail.stock.level"
STOCK_BOOK: Final = "retail.stock.book"
PRICE_EXPECTED: Final = "retail.price.expected"

# --- why and when ---
PROMISE_AT: Final = "retail.promise.at"
CHANGED_AT: Final = "retail.changed.at"
CANCEL_REASON: Final = "retail.cancel.reason"
RETURN_REASON: Final = "retail.return.reason"
DISPOSITION: Final = "retail.return.disposition"
APPROVAL_SUBJECT: Final = "retail.approval.subject"
EXCEPTION_CATEGORY: Final = "retail.exception.category"

# --- integrations ---
SYSTEM: Final = "retail.system"
EDGE: Final = "retail.edge"
WEBHOOK_NAME: Final = "retail.webhook.name"
DEPLOYMENT_VERSION: Final = "retail.deployment.version"

# --- OpenTelemetry's own names that the read models use ---
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
PEER_SERVICE: Final = "peer.service"
SERVER_ADDRESS: Final = "server.address"
HTTP_METHOD: Final = "http.request.method"
HTTP_ROUTE: Final = "http.route"
HTTP_STATUS: Final = "http.response.status_code"
HTTP_RESEND_COUNT: Final = "http.request.resend_count"
URL_TEMPLATE: Final = "url.template"
ERROR_TYPE: Final = "error.type"
MESSAGING_SYSTEM: Final = "messaging.system"
MESSAGING_DESTINATION: Final = "messaging.destination.name"
MESSAGING_OPERATION: Final = "messaging.operation.type"
MESSAGING_CONSUMER_GROUP: Final = "messaging.consumer.group.name"
MESSAGING_PARTITION: Final = "messaging.destination.partition.id"

# --- metrics ---
QUEUE_DEPTH: Final = "retail.queue.depth"
QUEUE_OLDEST_AGE: Final = "retail.queue.oldest_age"
QUEUE_IN_FLIGHT: Final = "retail.queue.in_flight"
QUEUE_OLDEST_IN_FLIGHT_AGE: Final = "retail.queue.oldest_in_flight_age"
QUEUE_CONSUMERS: Final = "retail.queue.consumers"
QUEUE_PUBLISH_RATE: Final = "retail.queue.publish_rate"
QUEUE_DELIVER_RATE: Final = "retail.queue.deliver_rate"
QUEUE_PARTITION_DEPTH: Final = "retail.queue.partition_depth"


@dataclass(frozen=True)
class Attribute:
    """One attribute: its name, the type of its values, what it means, an example, and its values where they are few."""

    name: str
    type: ValueType
    group: str
    meaning: str
    example: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Metric:
    """One metric: its name, instrument, unit (UCUM), meaning, and the attributes its points must carry."""

    name: str
    instrument: str
    unit: str
    meaning: str
    attributes: tuple[str, ...]


_S, _I, _D, _T = ValueType.STRING, ValueType.INT, ValueType.DECIMAL, ValueType.TIME
_CASE, _OBJECTS, _NUMBERS = "Workflow instance", "Business objects", "Numbers"
_WHY, _INTEGRATION, _OTEL = "Reasons and promises", "Integrations", "OpenTelemetry"

ATTRIBUTES: Final[tuple[Attribute, ...]] = (
    Attribute(STREAM, _S, _CASE, "The value stream the work belongs to.", "order-to-cash"),
    Attribute(CASE_ID, _S, _CASE, "The business key of the workflow instance.", "ORD-1004217"),
    Attribute(
        STEP, _S, _CASE, "The activity; without it the event's or the span's name is used.", "retail.order.picked"
    ),
    Attribute(
        STEP_START,
        _T,
        _CASE,
        "When work on the step began; the event's own time is its end. Absent means unknown, not zero.",
        "2026-03-02T08:14:00Z",
    ),
    Attribute(SEQ, _I, _CASE, "Orders events of a case that share a timestamp.", "3"),
    Attribute(EVENT_ID, _S, _CASE, "Names the event; the same event sent again is counted once.", "ORD-1004217:3"),
    Attribute(ACTOR_TYPE, _S, _CASE, "Who performed the step.", "human", tuple(ActorType)),
    Attribute(
        RESOURCE, _S, _CASE, "The desk, team or machine that performed the step, never a person's name.", "picker-04"
    ),
    Attribute(ORDER_ID, _S, _OBJECTS, "Customer order.", "ORD-1004217"),
    Attribute(ORDER_LINE_ID, _S, _OBJECTS, "Line of a customer order.", "ORD-1004217-2"),
    Attribute(SKU, _S, _OBJECTS, "Stock keeping unit.", "SKU-10042"),
    Attribute(LOCATION_ID, _S, _OBJECTS, "Store, warehouse or other place.", "DC-01"),
    Attribute(CHANNEL, _S, _OBJECTS, "Sales channel.", "web"),
    Attribute(CUSTOMER_ID, _S, _OBJECTS, "Customer, as a pseudonymous key.", "CUST-20817"),
    Attribute(SHIPMENT_ID, _S, _OBJECTS, "Shipment or parcel.", "SHP-500311"),
    Attribute(INVOICE_ID, _S, _OBJECTS, "Invoice, to a customer or from a supplier.", "INV-700102"),
    Attribute(SUPPLIER_ID, _S, _OBJECTS, "Supplier.", "SUP-07"),
    Attribute(PURCHASE_ORDER_ID, _S, _OBJECTS, "Purchase order.", "PO-30077"),
    Attribute(REPLENISHMENT_ID, _S, _OBJECTS, "Replenishment proposal.", "REP-40077"),
    Attribute(RETURN_ID, _S, _OBJECTS, "Return.", "RET-60012"),
    Attribute(REFUND_ID, _S, _OBJECTS, "Refund.", "RFD-60012"),
    Attribute(PROMOTION_ID, _S, _OBJECTS, "Promotion.", "PROMO-108"),
    Attribute(CLAIM_ID, _S, _OBJECTS, "Claim against a supplier or sponsor.", "CLM-108-1"),
    Attribute(CUSTOMER_CASE_ID, _S, _OBJECTS, "Case at the customer service desk.", "CC-9001"),
    Attribute(WARRANTY_ID, _S, _OBJECTS, "Warranty.", "WAR-1207"),
    Attribute(SUBSCRIPTION_ID, _S, _OBJECTS, "Subscription.", "SUB-3381"),
    Attribute(ACCOUNT_ID, _S, _OBJECTS, "Account of a business customer.", "ACC-5107"),
    Attribute(PERIOD_ID, _S, _OBJECTS, "Financial period, by the ledger's own name: a month, a week.", "2026-10"),
    Attribute(RECONCILIATION_ID, _S, _OBJECTS, "One comparison of two books.", "REC-90012"),
    Attribute(APPROVAL_ID, _S, _OBJECTS, "Approval; pairs what was asked with what was answered.", "APR-11007"),
    Attribute(EXCEPTION_ID, _S, _OBJECTS, "Exception; pairs what was raised with what was resolved.", "EXC-12034"),
    Attribute(QUANTITY, _D, _NUMBERS, "Units this event is about; negative where stock goes down.", "3"),
    Attribute(AMOUNT, _D, _NUMBERS, "Money this event is about, in `retail.currency`.", "129.90"),
    Attribute(CURRENCY, _S, _NUMBERS, "ISO 4217 code.", "EUR"),
    Attribute(STOCK_LEVEL, _D, _NUMBERS, "Units on hand after the event.", "42"),
    Attribute(STOCK_BOOK, _D, _NUMBERS, "Units the system believed in just before a count.", "44"),
    Attribute(PRICE_EXPECTED, _D, _NUMBERS, "The price that should have been found, in `retail.currency`.", "19.90"),
    Attribute(PROMISE_AT, _T, _WHY, "The time promised to the customer or by the supplier.", "2026-03-05T17:00:00Z"),
    Attribute(
        CHANGED_AT,
        _T,
        _WHY,
        "When what the event shows really changed, in the system that owns it.",
        "2026-03-02T08:14:00Z",
    ),
    Attribute(
        CANCEL_REASON,
        _S,
        _WHY,
        "Why it was cancelled; any value but `customer` is ours.",
        "customer",
        tuple(CancelReason),
    ),
    Attribute(RETURN_REASON, _S, _WHY, "Why goods come back.", "wrong_size"),
    Attribute(DISPOSITION, _S, _WHY, "What becomes of returned goods.", "restock"),
    Attribute(APPROVAL_SUBJECT, _S, _WHY, "What an approval is about.", "refund"),
    Attribute(
        EXCEPTION_CATEGORY, _S, _WHY, "Taxonomy value of an exception.", "price_mismatch", tuple(ExceptionCategory)
    ),
    Attribute(
        EDGE,
        ValueType.EDGE,
        _INTEGRATION,
        "The integration a call or message travels over, as source->target; a CLIENT or PRODUCER span that carries it "
        "is an integration call.",
        "order-management->warehouse",
    ),
    Attribute(SYSTEM, _S, _INTEGRATION, "The system that now shows what changed elsewhere.", "web-shop"),
    Attribute(WEBHOOK_NAME, _S, _INTEGRATION, "The webhook that a CLIENT span delivers.", "carrier.tracking"),
    Attribute(DEPLOYMENT_VERSION, _S, _INTEGRATION, "Version of the service that handled the call.", "2.4.0"),
    Attribute(SERVICE_NAME, _S, _OTEL, "The system (resource attribute).", "order-management"),
    Attribute(SERVICE_VERSION, _S, _OTEL, "The system's version (resource attribute).", "2.4.0"),
    Attribute(PEER_SERVICE, _S, _OTEL, "The system a CLIENT or PRODUCER span talks to.", "warehouse"),
    Attribute(SERVER_ADDRESS, _S, _OTEL, "Host name of the server.", "warehouse.retail.example"),
    Attribute(HTTP_METHOD, _S, _OTEL, "HTTP method.", "POST"),
    Attribute(HTTP_ROUTE, _S, _OTEL, "Route matched by the server.", "/pick-tasks"),
    Attribute(HTTP_STATUS, _I, _OTEL, "HTTP status of the answer.", "201"),
    Attribute(HTTP_RESEND_COUNT, _I, _OTEL, "How often the request had been sent before.", "1"),
    Attribute(URL_TEMPLATE, _S, _OTEL, "Route as the client knows it.", "/orders/{id}"),
    Attribute(ERROR_TYPE, _S, _OTEL, "Class of the failure.", "timeout"),
    Attribute(MESSAGING_SYSTEM, _S, _OTEL, "The broker, or `workflow` for people's work queues.", "rabbitmq"),
    Attribute(MESSAGING_DESTINATION, _S, _OTEL, "The queue or topic.", "fulfilment.requests"),
    Attribute(MESSAGING_OPERATION, _S, _OTEL, "What is done with the message: `send` or `process`.", "send"),
    Attribute(
        MESSAGING_CONSUMER_GROUP,
        _S,
        _OTEL,
        "Who reads the topic together; on a queue's gauges the group whose backlog it is.",
        "shipping",
    ),
    Attribute(MESSAGING_PARTITION, _S, _OTEL, "The partition of the topic.", "0"),
)

_QUEUE: Final = (MESSAGING_SYSTEM, MESSAGING_DESTINATION, MESSAGING_CONSUMER_GROUP)
METRICS: Final[tuple[Metric, ...]] = (
    Metric(
        QUEUE_DEPTH,
        "gauge",
        "{item}",
        "Items waiting in the queue at the time of the point.",
        _QUEUE,
    ),
    Metric(
        QUEUE_OLDEST_AGE,
        "gauge",
        "s",
        "How long the oldest waiting item has waited; 0 when the queue is empty.",
        _QUEUE,
    ),
    Metric(QUEUE_IN_FLIGHT, "gauge", "{item}", "Items that consumers hold and have not finished.", _QUEUE),
    Metric(
        QUEUE_OLDEST_IN_FLIGHT_AGE,
        "gauge",
        "s",
        "How long the oldest of these has been with its consumer; 0 when there is none.",
        _QUEUE,
    ),
    Metric(QUEUE_CONSUMERS, "gauge", "{consumer}", "Consumers of the queue.", _QUEUE),
    Metric(QUEUE_PUBLISH_RATE, "gauge", "{item}/s", "Items put into the queue a second.", _QUEUE),
    Metric(QUEUE_DELIVER_RATE, "gauge", "{item}/s", "Items taken from the queue a second.", _QUEUE),
    Metric(
        QUEUE_PARTITION_DEPTH,
        "gauge",
        "{item}",
        "Items waiting in one partition of a topic.",
        (*_QUEUE, MESSAGING_PARTITION),
    ),
)


def edge(source: str, target: str) -> str:
    """The value of `retail.edge` for work that travels from one system to another."""
    return f"{source}->{target}"
