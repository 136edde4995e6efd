-- Puts the events of the selected cases aside, each in the wording that was received last. The attributes that views read
-- become columns: so an event's attributes are looked through once, and not once for each view. All attributes have the
-- events that `whole` names. `Moment` orders events in time, those of the same time alike in every run, as one number: to
-- compare pairs costs twice as much. A quantity that is no number is none; a currency whose amounts are not counted is `?`.
INSERT INTO /*batch*/
(
    Stream, CaseId, EventId, EventName, Step, Latest, SegmentId, Timestamp, Moment, StartTime, ActorType, Resource, Quantity, Amount, Currency,
    OrderId, LineId, ShipmentId, CustomerId, SupplierId, LocationId, PromotionId, PeriodId, Sku, Channel, CancelReason, ReturnReason,
    Disposition, PromiseAt, Attributes
)
SELECT
    Stream, CaseId, EventId, EventName, Step, /*latest*/, SegmentId, Timestamp,
    bitShiftLeft(toInt128(toUnixTimestamp64Nano(Timestamp)), 64) + cityHash64(EventId), StartTime, ActorType, Resource,
    if(isFinite(Quantity), Quantity, NULL), Amount,
    multiIf(Currency IN {currencies:Array(String)}, toString(Currency), Currency = '', '', '?'),
    Attributes['retail.order.id'], Attributes['retail.order.line.id'], Attributes['retail.shipment.id'], Attributes['retail.customer.id'],
    Attributes['retail.supplier.id'], Attributes['retail.location.id'], Attributes['retail.promotion.id'], Attributes['retail.period.id'],
    Attributes['retail.sku'], Attributes['retail.channel'], Attributes['retail.cancel.reason'], Attributes['retail.return.reason'],
    Attributes['retail.return.disposition'],
    if(Attributes['retail.promise.at'] = '', NULL, /*time retail.promise.at*/),
    if(EventName IN {whole:Array(String)}, Attributes, map())
FROM /*source*/
WHERE TenantId = {tenant:String} AND Stream IN {streams:Array(String)} AND Timestamp >= {earliest:DateTime64(9)}
    AND /*selection*/ AND /*which*/
