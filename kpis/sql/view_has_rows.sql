-- A row if the tenant has any there.
SELECT 1 FROM /*table*/ WHERE TenantId = {tenant:String} LIMIT 1
