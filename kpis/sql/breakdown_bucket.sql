-- A KPI's stored values of one bucket: the total, and by the values of a dimension.
SELECT
    toString(Dimension) AS By, DimensionValue AS Part, Value, Numerator, Denominator, SampleSize, Excluded, OpenCases
FROM kpi_values FINAL
WHERE TenantId = {tenant:String}
    AND KpiId = {kpi:String}
    AND Version = {version:UInt16}
    AND Basis = {basis:String}
    AND Dimension IN ('', {dimension:String})
    AND Grain = {grain:String}
    AND BucketStart = {start:DateTime('UTC')}
    AND (SampleSize > 0 OR Excluded > 0 OR OpenCases > 0)
ORDER BY SampleSize DESC, Part
