-- For every KPI and basis: the total over the period and over the one before it, and their newest settled bucket.
-- Settled: over, with a value, and of its cases no more than the definition's share are open.
SELECT
    KpiId, Basis, BucketStart >= {start:DateTime('UTC')} AS Current,
    sum(Numerator) AS Numerators, sum(Denominator) AS Denominators, sum(SampleSize) AS Samples,
    sum(Excluded) AS Exclusions, sum(OpenCases) AS Opens,
    BucketStart <= {last_over:DateTime('UTC')} AND SampleSize > 0 AND isNotNull(Value)
        AND OpenCases <= arrayElement({shares:Array(Float64)}, indexOf({ids:Array(String)}, toString(KpiId))) * (OpenCases + SampleSize)
        AS Settled,
    max(BucketStart) AS NewestStart, argMax(ifNull(Value, 0), BucketStart) AS NewestValue,
    argMax(SampleSize, BucketStart) AS NewestSample, argMax(Excluded, BucketStart) AS NewestExcluded,
    argMax(OpenCases, BucketStart) AS NewestOpen
FROM kpi_values FINAL
WHERE TenantId = {tenant:String}
    AND has(arrayZip({ids:Array(String)}, {versions:Array(UInt16)}), (toString(KpiId), Version))
    AND Dimension = ''
    AND Grain = {grain:String}
    AND BucketStart >= {before:DateTime('UTC')}
    AND BucketStart < {end:DateTime('UTC')}
GROUP BY KpiId, Basis, Current, Settled
