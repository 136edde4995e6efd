-- The stored buckets of some KPIs that say something.
SELECT toString(KpiId), toString(Basis), toString(Grain), BucketStart
FROM kpi_values FINAL
WHERE TenantId = {tenant:String}
    AND (KpiId, Version) IN arrayZip({ids:Array(String)}, {versions:Array(UInt16)})
    AND Grain != 'run' AND Dimension = ''
    AND (SampleSize > 0 OR Excluded > 0 OR OpenCases > 0)
