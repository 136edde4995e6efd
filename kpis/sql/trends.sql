-- Every KPI's values bucket by bucket, for pages that show several of them.
SELECT
    v.KpiId AS KpiId, v.Version AS Version, v.Basis AS Basis, v.Dimension AS Dimension,
    v.DimensionValue AS DimensionValue, v.Grain AS Grain, v.BucketStart AS BucketStart, v.Value AS Value,
    v.Numerator AS Numerator, v.Denominator AS Denominator, v.SampleSize AS SampleSize, v.Excluded AS Excluded,
    v.OpenCases AS OpenCases, v.DataThrough AS DataThrough, v.ComputedAt AS ComputedAt
FROM kpi_values AS v FINAL
WHERE v.TenantId = {tenant:String}
    AND (v.KpiId, v.Version) IN arrayZip({ids:Array(String)}, {versions:Array(UInt16)})
    AND v.Grain = {grain:String}
    AND v.BucketStart >= {start:DateTime('UTC')}
    AND v.BucketStart < {end:DateTime('UTC')}
ORDER BY v.KpiId, v.Basis, v.Dimension, v.DimensionValue, v.BucketStart
