-- For every KPI, basis and dimension value: the newest settled bucket; else the newest with a value; else the newest.
-- Settled: of the cases of the bucket no more than the definition's share are open; and of a KPI that only counts (`whole`)
-- the bucket is over, for a part of a day has fewer than a day.
WITH runs AS
(
    SELECT KpiId, Version, max(DataThrough) AS Through
    FROM kpi_values FINAL
    WHERE TenantId = {tenant:String} AND Grain = 'run'
    GROUP BY KpiId, Version
)
SELECT
    v.KpiId AS KpiId, v.Version AS Version, v.Basis AS Basis, v.Dimension AS Dimension,
    v.DimensionValue AS DimensionValue, v.Grain AS Grain, v.BucketStart AS BucketStart, v.Value AS Value,
    v.Numerator AS Numerator, v.Denominator AS Denominator, v.SampleSize AS SampleSize, v.Excluded AS Excluded,
    v.OpenCases AS OpenCases, greatest(v.DataThrough, r.Through) AS DataThrough, v.ComputedAt AS ComputedAt
FROM kpi_values AS v FINAL
LEFT JOIN runs AS r ON r.KpiId = v.KpiId AND r.Version = v.Version
WHERE v.TenantId = {tenant:String}
    AND v.Grain = {grain:String}
    AND has(arrayZip({ids:Array(String)}, {versions:Array(UInt16)}), (toString(v.KpiId), v.Version))
ORDER BY
    NOT arrayElement({whole:Array(UInt8)}, indexOf({ids:Array(String)}, toString(v.KpiId)))
        OR multiIf({grain:String} = 'minute', addMinutes(v.BucketStart, 1), {grain:String} = 'hour', addHours(v.BucketStart, 1), {grain:String} = 'day', addDays(v.BucketStart, 1),
            {grain:String} = 'week', addWeeks(v.BucketStart, 1), addMonths(v.BucketStart, 1)) <= DataThrough DESC,
    v.SampleSize > 0 AND v.OpenCases <= arrayElement({shares:Array(Float64)}, indexOf({ids:Array(String)}, toString(v.KpiId))) * (v.OpenCases + v.SampleSize) DESC,
    v.SampleSize > 0 DESC,
    v.BucketStart DESC
LIMIT 1 BY v.KpiId, v.Basis, v.Dimension, v.DimensionValue
