-- For every KPI, basis and dimension value: the newest settled bucket; else the newest with a value; else the newest.
-- Settled: of the cases of the bucket no more than the definition's share are open; and of a KPI that only counts (`whole`)
-- the bucket is over, for a part of a day has fewer than a day.
WITH
    runs AS
    (
        SELECT KpiId, Version, max(DataThrough) AS Through
        FROM kpi_values
        WHERE TenantId = {tenant:String} AND BucketStart = toDateTime(0, 'UTC') AND Grain = 'run'
        GROUP BY KpiId, Version
    ),
    told AS
    (
        SELECT
            v.KpiId AS KpiId, v.Version AS Version, v.Basis AS Basis, v.Dimension AS Dimension, v.DimensionValue AS DimensionValue,
            v.BucketStart AS BucketStart, v.Value AS Value, v.Numerator AS Numerator, v.Denominator AS Denominator,
            v.SampleSize AS SampleSize, v.Excluded AS Excluded, v.OpenCases AS OpenCases,
            greatest(v.DataThrough, r.Through) AS DataThrough, v.ComputedAt AS ComputedAt,
            transform(toString(v.KpiId), {ids:Array(String)}, {whole:Array(UInt8)}, 0) AS Whole,
            transform(toString(v.KpiId), {ids:Array(String)}, {shares:Array(Float64)}, 1.) AS Share
        FROM kpi_values AS v FINAL
        LEFT JOIN runs AS r ON r.KpiId = v.KpiId AND r.Version = v.Version
        WHERE v.TenantId = {tenant:String}
            AND v.Grain = {grain:String}
            AND (v.KpiId, v.Version) IN arrayZip({ids:Array(String)}, {versions:Array(UInt16)})
    )
SELECT
    KpiId, Version, Basis, Dimension, DimensionValue, {grain:String} AS Grain, Best.1 AS BucketStart, Best.2 AS Value, Best.3 AS Numerator,
    Best.4 AS Denominator, Best.5 AS SampleSize, Best.6 AS Excluded, Best.7 AS OpenCases, Best.8 AS DataThrough, Best.9 AS ComputedAt
FROM
(
    SELECT
        KpiId, Version, Basis, Dimension, DimensionValue,
        argMax(
            (BucketStart, Value, Numerator, Denominator, SampleSize, Excluded, OpenCases, DataThrough, ComputedAt),
            (
                NOT Whole OR multiIf({grain:String} = 'minute', addMinutes(BucketStart, 1), {grain:String} = 'hour', addHours(BucketStart, 1),
                    {grain:String} = 'day', addDays(BucketStart, 1), {grain:String} = 'week', addWeeks(BucketStart, 1),
                    addMonths(BucketStart, 1)) <= DataThrough,
                SampleSize > 0 AND OpenCases <= Share * (OpenCases + SampleSize),
                SampleSize > 0,
                BucketStart
            )) AS Best
    FROM told
    GROUP BY KpiId, Version, Basis, Dimension, DimensionValue
)
