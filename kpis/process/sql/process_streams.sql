-- The streams that have events, or steps found for cases.
SELECT stream
FROM
(
    SELECT DISTINCT toString(Stream) AS stream FROM process_events WHERE TenantId = {tenant:String}
    UNION DISTINCT
    SELECT DISTINCT toString(Stream) AS stream FROM resolved_steps FINAL WHERE TenantId = {tenant:String} AND Step != ''
)
ORDER BY stream
