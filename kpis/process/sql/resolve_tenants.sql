-- Every tenant that sent something lately or has a mark, with the mark (the newest version; a model of 0 is none).
SELECT TenantId, max(Model) AS model, max(Through) AS through
FROM
(
    SELECT DISTINCT toString(TenantId) AS TenantId, toUInt64(0) AS Model, toDateTime64(0, 3, 'UTC') AS Through
    FROM trace_arrivals
    UNION ALL
    SELECT toString(TenantId), Model, Through FROM resolution_marks FINAL
)
GROUP BY TenantId
ORDER BY TenantId
