-- The streams that have events.
SELECT DISTINCT toString(Stream) AS stream
FROM process_events
WHERE TenantId = {tenant:String}
ORDER BY stream
