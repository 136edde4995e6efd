-- The streams that a tenant has events of.
SELECT DISTINCT Stream FROM process_events WHERE TenantId = {tenant:String} ORDER BY Stream
