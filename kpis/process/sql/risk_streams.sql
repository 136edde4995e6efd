-- Streams that have open cases, by currency, and what the median case of a currency is worth ('' and 0 without an amount).
SELECT
    toString(Currency) AS currency,
    groupUniqArray(toString(Stream)) AS streams,
    toFloat64(ifNull(quantileExactInclusiveIf(0.5)(toFloat64(ifNull(Value, 0)), Value > 0), 0)) AS median
FROM cases FINAL
WHERE TenantId = {tenant:String} AND has({streams:Array(String)}, Stream)
    AND First <= fromUnixTimestamp64Nano({now_ns:Int64})
    AND (ClosedAt IS NULL OR ClosedAt > fromUnixTimestamp64Nano({now_ns:Int64}))
GROUP BY currency
ORDER BY currency
