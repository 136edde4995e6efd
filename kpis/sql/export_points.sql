-- A page of one KPI's points of all series, in the order of the table, behind the point where the last page ended.
SELECT
    Basis, Dimension, DimensionValue, toInt64(toUnixTimestamp(BucketStart)) AS Second, Value, Numerator, Denominator, SampleSize, Excluded, OpenCases
FROM kpi_values FINAL
WHERE TenantId = {tenant:String}
    AND KpiId = {kpi:String}
    AND Version = {version:UInt16}
    AND Grain = {grain:String}
    AND BucketStart >= {start:DateTime('UTC')}
    AND BucketStart < {end:DateTime('UTC')}
    AND (Dimension = '' OR {all_dimensions:UInt8} OR has({dimensions:Array(String)}, toString(Dimension)))
    AND (Dimension = '' OR empty({dimension_values:Array(String)}) OR has({dimension_values:Array(String)}, DimensionValue))
    AND Basis >= {basis:String}
    AND (toString(Basis), toString(Dimension), DimensionValue, Second)
        > ({basis:String}, {dimension:String}, {dimension_value:String}, {after:Int64})
ORDER BY Basis, Dimension, DimensionValue, BucketStart
LIMIT {limit:UInt64}
