-- Every tenant's streams that have steps, those by object left out.
SELECT DISTINCT toString(TenantId) AS tenant, toString(Stream) AS stream
FROM process_events
UNION DISTINCT
SELECT DISTINCT toString(TenantId) AS tenant, toString(Stream) AS stream
FROM resolved_steps
