-- Every tenant's streams that have events.
SELECT DISTINCT toString(TenantId) AS tenant, toString(Stream) AS stream
FROM process_events
ORDER BY tenant, stream
