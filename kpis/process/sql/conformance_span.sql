-- The period of the cases that the filter lets through, and the latest event of the whole stream: the clock of open cases.
SELECT
    count() AS cases,
    min(First) AS first,
    max(Last) AS last,
    (
        SELECT max(Last) FROM cases FINAL WHERE TenantId = {tenant:String} AND Stream = {stream:String}
    ) AS data_through
FROM cases FINAL
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
