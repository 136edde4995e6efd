-- Outages of integrations for the given days, per edge and in total, for the KPIs of stability. Each day is told from the
-- calls of itself and of a fixed time before it alone, so that it does not matter which days are computed together.
-- Calls of an edge are cut into chains behind every run of so many successful calls; a chain has at most one outage.
-- A day with calls always has a row of its time, so that what more calls bring to light takes the place of what was there.
WITH
    toInt64({lookback_days:Float64} * 86400e9) AS LookbackNs,
    arrayMap((a, b) -> (toInt64(toUnixTimestamp(a)) * 1000000000, toInt64(toUnixTimestamp(b)) * 1000000000),
        {buckets:Array(DateTime('UTC'))}, {ends:Array(DateTime('UTC'))}) AS Days,
    calls AS
    (
        SELECT
            any(SpanAttributes['retail.edge']) AS Edge,
            toUnixTimestamp64Nano(min(Timestamp)) AS At,
            max(StatusCode = 'Error') AS Failed,
            cityHash64(TraceId, SpanId) AS Tie
        FROM otel_traces
        WHERE TenantId = {tenant:String}
            AND SpanKind IN ('Client', 'Producer')
            AND Timestamp >= subtractNanoseconds({start:DateTime64(9, 'UTC')}, LookbackNs)
            AND Timestamp < {end:DateTime64(9, 'UTC')}
            AND mapContains(SpanAttributes, 'retail.edge')
            AND SpanAttributes['retail.edge'] != ''
        GROUP BY TraceId, SpanId
    ),
    edges AS
    (
        SELECT
            Day.1 AS Begin,
            Edge,
            arraySort(groupArray((At, Tie, Failed))) AS Calls,
            Calls.1 AS Ats,
            Calls.3 AS Faults,
            arrayFill((n, failed) -> failed, arrayEnumerate(Faults), Faults) AS LastFaults,
            arrayMap((n, last) -> n - last = {recovered_after:Float64}, arrayEnumerate(Faults), LastFaults) AS Proofs,
            arrayPopBack(arrayPushFront(Proofs, 0)) AS Cuts,
            arrayPushFront(arrayPopBack(Ats), Ats[1]) AS Befores,
            arrayZip(
                arraySplit((at, cut) -> cut, Ats, Cuts),
                arraySplit((failed, cut) -> cut, Faults, Cuts),
                arraySplit((before, cut) -> cut, Befores, Cuts)) AS Chains
        FROM calls
        ARRAY JOIN arrayFilter(day -> At >= day.1 - LookbackNs AND At < day.2, Days) AS Day
        GROUP BY Begin, Edge
        HAVING max(At) >= Begin
    )
SELECT
    toDateTime(intDiv(Begin, 1000000000), 'UTC') AS BucketStart,
    '' AS Basis,
    if(Edge = '', '', 'edge') AS Dimension,
    Edge AS DimensionValue,
    if(Way.3 > 0, Way.2 / Way.3, NULL) AS Value,
    Way.2 AS Numerator,
    toFloat64(Way.3) AS Denominator,
    Way.3 AS SampleSize,
    toUInt64(0) AS Excluded,
    Going AS OpenCases
FROM
(
    SELECT
        Begin,
        Edge,
        countIf(IsOutage AND NOT IsOver) AS Going,
        [
            ('integration_stability', toFloat64(sum(UpNs)) / 1e9, countIf(IsOutage AND Ats[Declared] >= Begin)),
            ('integration_recovery_time', toFloat64(sumIf(Ats[Last + 1] - Ats[First], IsEnd)) / 1e9, countIf(IsEnd))
        ] AS Ways
    FROM
    (
        SELECT
            Begin,
            Edge,
            Chain.1 AS Ats,
            Chain.2 AS Faults,
            indexOf(Faults, 1) AS First,
            length(Faults) + 1 - indexOf(arrayReverse(Faults), 1) AS Last,
            arrayCumSum(arraySlice(Faults, greatest(First, 1))) AS Sums,
            First - 1 + arrayFirstIndex((sum, n) -> sum >= {failures_at_least:Float64} AND sum >= {failed_share:Float64} * n,
                Sums, arrayEnumerate(Sums)) AS Declared,
            First > 0 AND Declared >= First AS IsOutage,
            length(Faults) - Last = {recovered_after:Float64} AS IsOver,
            IsOutage AND IsOver AND Ats[-1] >= Begin AS IsEnd,
            arraySum((at, before, n) -> if(at >= Begin AND NOT (IsOutage AND n > First AND n <= Last + 1), at - before, 0),
                Ats, Chain.3, arrayEnumerate(Ats)) AS UpNs
        FROM edges
        ARRAY JOIN Chains AS Chain
    )
    GROUP BY GROUPING SETS ((Begin, Edge), (Begin))
)
ARRAY JOIN Ways AS Way
WHERE Way.1 = {kpi:String} AND (Way.1 = 'integration_stability' OR Way.3 > 0 OR Going > 0)
ORDER BY BucketStart, Dimension, DimensionValue
