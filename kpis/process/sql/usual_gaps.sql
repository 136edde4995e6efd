-- The usual wait after a step: the median of the seconds from its timestamp to the next start (or timestamp) in the case,
-- over the steps that ended since `from_ns`.
SELECT
    CaseStream AS stream,
    ThisStep AS step,
    quantileExactInclusive(0.5)(Gap) AS usual_wait_s
FROM
(
    SELECT
        toString(Stream) AS CaseStream,
        toString(Step) AS ThisStep,
        row_number() OVER w AS Place,
        count() OVER (PARTITION BY Stream, CaseId) AS Places,
        greatest(
            leadInFrame(toUnixTimestamp64Nano(coalesce(StartTime, Timestamp))) OVER w
            - toUnixTimestamp64Nano(Timestamp), 0) / 1e9 AS Gap
    FROM process_events FINAL
    WHERE TenantId = {tenant:String}
        AND has({streams:Array(String)}, Stream)
        AND NOT has({details:Array(String)}, concat(Stream, '/', EventName))
        AND Timestamp >= fromUnixTimestamp64Nano({from_ns:Int64})
        AND Timestamp <= fromUnixTimestamp64Nano({now_ns:Int64})
    WINDOW w AS (
        PARTITION BY Stream, CaseId ORDER BY coalesce(StartTime, Timestamp), Timestamp, Seq, EventId
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
)
WHERE Place < Places
GROUP BY stream, step
