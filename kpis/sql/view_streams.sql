-- The streams that a tenant has events of.
SELECT DISTINCT Stream FROM /*source*/ WHERE TenantId = {tenant:String} ORDER BY Stream
