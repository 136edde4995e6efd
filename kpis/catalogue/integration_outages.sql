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
            if(Ats[1] < Begin, arrayLast(at -> at < Begin, Ats), Ats[1]) AS Before,
            Ats[-1] - Before AS ObservedNs
        FROM calls
        ARRAY JOIN arrayFilter(day -> At >= day.1 - LookbackNs AND At < day.2, Days) AS Day
        GROUP BY Begin, Edge
        HAVING max(At) >= Begin
    ),
    outages AS
    (
        SELECT
            Begin,
            Edge,
            Chain.1 AS Ats,
            Chain.2 AS Faults,
            indexOf(Faults, 1) AS First,
            length(Faults) + 1 - indexOf(arrayReverse(Faults), 1) AS Last,
            arrayCumSum(arraySlice(Faults, First)) AS Sums,
            First - 1 + arrayFirstIndex((sum, n) -> sum >= {failures_at_least:Float64} AND sum >= {failed_share:Float64} * n,
                Sums, arrayEnumerate(Sums)) AS Declared,
            length(Faults) - Last = {recovered_after:Float64} AS Over,
            Ats[Declared] >= Begin AS IsNew,
            Over AND Ats[-1] >= Begin AS IsOverNow,
            Ats[Last + 1] - Ats[First] AS LastedNs,
            arraySum((at, before, n) -> if(at >= Begin AND n > First AND n <= Last + 1, at - before, 0),
                Ats, arrayPushFront(arrayPopBack(Ats), Ats[1]), arrayEnumerate(Ats)) AS DownNs
        FROM
        (
            SELECT
                Begin,
                Edge,
                arrayJoin(arrayZip(
                    arraySplit((at, cut) -> cut, Ats, Cuts),
                    arraySplit((failed, cut) -> cut, Faults, Cuts))) AS Chain
            FROM edges
        )
        WHERE has(Faults, 1) AND Declared >= First
    ),
    found AS
    (
        SELECT
            Begin,
            Edge,
            toInt64(0) AS UpNs,
            -sum(DownNs) AS MinusNs,
            countIf(IsNew) AS New,
            countIf(IsOverNow) AS Ended,
            sumIf(LastedNs, IsOverNow) AS EndedNs,
            countIf(NOT Over) AS Going
        FROM outages
        GROUP BY Begin, Edge
        UNION ALL
        SELECT Begin, Edge, ObservedNs, 0, 0, 0, 0, 0
        FROM edges
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
    Waiting AS OpenCases
FROM
(
    SELECT
        Begin,
        Edge,
        sum(Going) AS Waiting,
        [
            ('integration_stability', toFloat64(sum(UpNs) + sum(MinusNs)) / 1e9, sum(New)),
            ('integration_recovery_time', toFloat64(sum(EndedNs)) / 1e9, sum(Ended))
        ] AS Ways
    FROM found
    GROUP BY GROUPING SETS ((Begin, Edge), (Begin))
)
ARRAY JOIN Ways AS Way
WHERE Way.1 = {kpi:String} AND (Way.1 = 'integration_stability' OR Way.3 > 0 OR Waiting > 0)
ORDER BY BucketStart, Dimension, DimensionValue
