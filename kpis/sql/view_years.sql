-- The years that a view speaks of.
SELECT toYear(min(Began), 'UTC') AS First, toYear(max(Began), 'UTC') AS Last FROM /*table*/ WHERE TenantId = {tenant:String}
