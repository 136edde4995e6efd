-- Every tenant that sent something lately or has a mark, with the mark (the newest version; a model of 0 is none).
SELECT TenantId, max(Model) AS model, max(Through) AS through, anyIf(Taken, Model != 0) AS taken
FROM
(
    SELECT DISTINCT toString(TenantId) AS TenantId, toUInt64(0) AS Model, toDateTime64(0, 3, 'UTC') AS Through,
        CAST([], 'Array(Tuple(String, UInt64, DateTime64(3, \'UTC\'), UInt64, UInt64))') AS Taken
    FROM trace_arrivals
    UNION ALL
    SELECT toString(TenantId), Model, Through, Taken FROM resolution_marks FINAL
)
GROUP BY TenantId
ORDER BY TenantId
