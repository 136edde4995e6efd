-- One KPI's values bucket by bucket.
WITH
(
    SELECT max(DataThrough)
    FROM kpi_values FINAL
    WHERE TenantId = {tenant:String} AND KpiId = {kpi:String} AND Version = {version:UInt16} AND Grain = 'run'
) AS Through
SELECT
    v.KpiId AS KpiId, v.Version AS Version, v.Basis AS Basis, v.Dimension AS Dimension,
    v.DimensionValue AS DimensionValue, v.Grain AS Grain, v.BucketStart AS BucketStart, v.Value AS Value,
    v.Numerator AS Numerator, v.Denominator AS Denominator, v.SampleSize AS SampleSize, v.Excluded AS Excluded,
    v.OpenCases AS OpenCases, greatest(v.DataThrough, ifNull(Through, v.DataThrough)) AS DataThrough, v.ComputedAt AS ComputedAt
FROM kpi_values AS v FINAL
WHERE v.TenantId = {tenant:String}
    AND v.KpiId = {kpi:String}
    AND v.Version = {version:UInt16}
    AND v.Basis = {basis:String}
    AND v.Dimension = {dimension:String}
    AND v.DimensionValue = {dimension_value:String}
    AND v.Grain = {grain:String}
    AND v.BucketStart >= {start:DateTime('UTC')}
    AND v.BucketStart < {end:DateTime('UTC')}
ORDER BY v.BucketStart
