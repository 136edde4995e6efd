-- A week or a month of a KPI with a statement: what its days were made from, added up. The open cases are those of the
-- last of the days, because they are what is open at its end.
SELECT
    arrayElement({buckets:Array(DateTime('UTC'))}, 1) AS BucketStart,
    Basis,
    Dimension,
    DimensionValue,
    if(Dividing > 0, Dividend / Dividing, NULL) AS Value,
    Dividend AS Numerator,
    Dividing AS Denominator,
    Counted AS SampleSize,
    LeftOut AS Excluded,
    Waiting AS OpenCases
FROM
(
    SELECT
        v.Basis AS Basis,
        v.Dimension AS Dimension,
        v.DimensionValue AS DimensionValue,
        sum(v.Numerator) AS Dividend,
        sum(v.Denominator) AS Dividing,
        sum(v.SampleSize) AS Counted,
        sum(v.Excluded) AS LeftOut,
        argMax(v.OpenCases, v.BucketStart) AS Waiting
    FROM kpi_values AS v FINAL
    WHERE v.TenantId = {tenant:String}
        AND v.KpiId = {kpi:String}
        AND v.Version = {version:UInt16}
        AND v.Grain = 'day'
        AND v.BucketStart >= {start:DateTime64(9, 'UTC')}
        AND v.BucketStart < {end:DateTime64(9, 'UTC')}
    GROUP BY Basis, Dimension, DimensionValue
)
