-- For every tenant, KPI, version and basis: the newest hour that is over and settled; without one the newest that is over.
WITH runs AS
(
    SELECT TenantId, KpiId, Version, max(DataThrough) AS Through
    FROM kpi_values FINAL
    WHERE BucketStart = toDateTime(0, 'UTC') AND Grain = 'run'
    GROUP BY TenantId, KpiId, Version
)
SELECT
    toString(v.TenantId) AS Tenant, toString(v.KpiId) AS Kpi, v.Version AS Version, toString(v.Basis) AS Basis,
    v.BucketStart AS BucketStart, v.Value AS Value, v.SampleSize AS SampleSize, v.OpenCases AS OpenCases,
    greatest(v.DataThrough, r.Through) AS DataThrough
FROM kpi_values AS v FINAL
LEFT JOIN runs AS r ON r.TenantId = v.TenantId AND r.KpiId = v.KpiId AND r.Version = v.Version
WHERE v.Grain = 'hour'
    AND v.Dimension = ''
    AND v.SampleSize > 0
    AND v.BucketStart >= {since:DateTime('UTC')}
    AND addHours(v.BucketStart, 1) <= greatest(v.DataThrough, r.Through)
ORDER BY
    Tenant, Kpi, Version, Basis,
    v.OpenCases <= transform(Kpi, {ids:Array(String)}, {shares:Array(Float64)}, toFloat64(1)) * (v.OpenCases + v.SampleSize) DESC,
    v.BucketStart DESC
LIMIT 1 BY Tenant, Kpi, Version, Basis
