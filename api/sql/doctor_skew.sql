-- Between the time that a service writes on its records and the time that they were received, in seconds: the median of
-- what arrived lately. Positive: the service's clock is ahead. What is more than a day old is a back-fill and left out.
SELECT ServiceName, count() AS Records, quantile(0.5)(Ahead) AS Median
FROM
(
    SELECT
        ServiceName,
        (toUnixTimestamp64Nano(Timestamp) + toInt64(least(Duration, 86400000000000))
            - toUnixTimestamp64Nano(ReceivedAt)) / 1e9 AS Ahead
    FROM otel_traces
    WHERE ReceivedAt > {since:DateTime64(9, 'UTC')} AND Timestamp > {since:DateTime64(9, 'UTC')} - toIntervalDay(1)
    UNION ALL
    SELECT ServiceName, (toUnixTimestamp64Nano(Timestamp) - toUnixTimestamp64Nano(ReceivedAt)) / 1e9
    FROM otel_logs
    WHERE ReceivedAt > {since:DateTime64(9, 'UTC')} AND Timestamp > {since:DateTime64(9, 'UTC')} - toIntervalDay(1)
)
GROUP BY ServiceName
HAVING Records >= {least:UInt64}
ORDER BY abs(Median) DESC
LIMIT 100
