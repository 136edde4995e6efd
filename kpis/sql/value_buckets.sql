-- Stored buckets of a KPI in the place of cases: for each period the sums over them, and of their squares and products.
SELECT
    P.1 AS Period,
    sum(SampleSize) AS Subjects, sum(Excluded) AS LeftOut, sum(OpenCases) AS Open,
    countIf(SampleSize > 0) AS Units,
    sum(Numerator) AS X1, sum(Numerator * Numerator) AS X2,
    sum(Denominator) AS Y1, sum(Denominator * Denominator) AS Y2, sum(Numerator * Denominator) AS XY
FROM
(
    SELECT BucketStart, SampleSize, Excluded, OpenCases, Numerator, Denominator
    FROM kpi_values FINAL
    WHERE TenantId = {tenant:String}
        AND KpiId = {kpi:String}
        AND Version = {version:UInt16}
        AND Basis = {basis:String}
        AND Dimension = {dimension:String}
        AND DimensionValue = {dimension_value:String}
        AND Grain = {grain:String}
)
ARRAY JOIN {periods:Array(Tuple(UInt8, Int64, Int64))} AS P
WHERE toInt64(toUnixTimestamp(BucketStart)) >= P.2 AND toInt64(toUnixTimestamp(BucketStart)) < P.3
GROUP BY Period
ORDER BY Period
