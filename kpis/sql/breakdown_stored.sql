-- A KPI's stored hours of a period added up: the total, and by the values of a dimension.
SELECT
    toString(Dimension) AS By, DimensionValue AS Part, sum(Numerator) AS N, sum(Denominator) AS D, sum(SampleSize) AS Counted,
    sum(Excluded) AS LeftOut, sum(OpenCases) AS Open
FROM kpi_values FINAL
WHERE TenantId = {tenant:String}
    AND KpiId = {kpi:String}
    AND Version = {version:UInt16}
    AND Basis = {basis:String}
    AND Dimension IN ('', {dimension:String})
    AND Grain = 'hour'
    AND BucketStart >= {start:DateTime('UTC')}
    AND BucketStart < {end:DateTime('UTC')}
GROUP BY By, Part
ORDER BY Counted DESC, Part
