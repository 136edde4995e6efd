-- The promise of each case as far as events that had ended by `now_ns` tell it: the first one named.
SELECT
    CaseId,
    argMin(Attributes[{promise:String}], (coalesce(StartTime, Timestamp), Timestamp, Seq, EventId)) AS Promise
FROM process_events FINAL
PREWHERE /*selection*/
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND NOT has({details:Array(String)}, EventName)
    AND Timestamp <= fromUnixTimestamp64Nano({now_ns:Int64}) AND Attributes[{promise:String}] != ''
GROUP BY CaseId
