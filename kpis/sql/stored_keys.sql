-- What is stored for some buckets, to find the values that a recomputation no longer has.
SELECT Basis, Dimension, DimensionValue, BucketStart
FROM kpi_values FINAL
WHERE TenantId = {tenant:String}
    AND KpiId = {kpi:String}
    AND Version = {version:UInt16}
    AND Grain = {grain:String}
    AND has({buckets:Array(DateTime('UTC'))}, BucketStart)
    AND (SampleSize > 0 OR Excluded > 0 OR OpenCases > 0)
