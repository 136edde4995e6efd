-- What there is to export: the KPIs' series in the period, with how many points they have.
WITH runs AS
(
    SELECT KpiId, Version, max(DataThrough) AS Through
    FROM kpi_values FINAL
    WHERE TenantId = {tenant:String} AND BucketStart = toDateTime(0, 'UTC') AND Grain = 'run'
    GROUP BY KpiId, Version
)
SELECT
    v.KpiId AS KpiId, v.Basis AS Basis, v.Dimension AS Dimension, v.DimensionValue AS DimensionValue,
    count() AS Points, max(greatest(v.DataThrough, r.Through)) AS DataThrough
FROM kpi_values AS v FINAL
LEFT JOIN runs AS r ON r.KpiId = v.KpiId AND r.Version = v.Version
WHERE v.TenantId = {tenant:String}
    AND has(arrayZip({ids:Array(String)}, {versions:Array(UInt16)}), (toString(v.KpiId), v.Version))
    AND v.Grain = {grain:String}
    AND v.BucketStart >= {start:DateTime('UTC')}
    AND v.BucketStart < {end:DateTime('UTC')}
    AND (v.Dimension = '' OR {all_dimensions:UInt8} OR has({dimensions:Array(String)}, toString(v.Dimension)))
    AND (v.Dimension = '' OR empty({dimension_values:Array(String)}) OR has({dimension_values:Array(String)}, v.DimensionValue))
GROUP BY KpiId, Basis, Dimension, DimensionValue
ORDER BY KpiId, Basis, Dimension, DimensionValue
LIMIT {limit:UInt64}
