-- The size of the history, and how long cases usually take: the 90th percentile of those that closed since `from_ns`, from
-- their first start to the event that closed them (nanoseconds; -1 without any).
SELECT
    count() AS cases,
    countIf(Closed >= {from_ns:Int64}) AS closed,
    if(closed = 0, -1, toInt64(quantileExactInclusiveIf(0.9)(Closed - Opened, Closed >= {from_ns:Int64}))) AS usual_ns
FROM (/*history*/)
WHERE notEmpty(E)
