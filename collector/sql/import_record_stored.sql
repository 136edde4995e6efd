-- Whether a record that an interrupted import handed over is stored.
SELECT count() > 0 AS stored
FROM otel_logs
WHERE TenantId = {tenant:String}
  AND Timestamp = fromUnixTimestamp64Nano({time:Int64})
  AND LogAttributes['retail.event.id'] = {event:String}
