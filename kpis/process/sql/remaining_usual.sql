-- The size of the history, how much of it is open, and how long cases usually take: the 90th percentile of those that closed since `from_ns`, from
-- their first start to the event that closed them (nanoseconds; -1 without any). The row of a case whose last event is
-- known says all of this itself; only of the others the events must be looked at.
SELECT
    count() AS cases,
    countIf(Closed = 0) AS open,
    countIf(Closed >= {from_ns:Int64}) AS closed,
    if(closed = 0, -1, toInt64(round(quantileExactInclusiveIf(0.9)(Closed - Opened, Closed >= {from_ns:Int64})))) AS usual_ns
FROM
(
    SELECT
        toUnixTimestamp64Nano(First) AS Opened,
        if(ClosedAt IS NULL, 0, toUnixTimestamp64Nano(assumeNotNull(ClosedAt))) AS Closed
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String}
        AND First <= fromUnixTimestamp64Nano({now_ns:Int64})
        AND Last BETWEEN fromUnixTimestamp64Nano({from_ns:Int64}) AND fromUnixTimestamp64Nano({now_ns:Int64})
    UNION ALL
    SELECT Opened, Closed
    FROM (/*unfinished*/)
    WHERE notEmpty(E)
)
