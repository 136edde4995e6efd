-- A row if the stream has a case.
SELECT 1 FROM cases WHERE TenantId = {tenant:String} AND Stream = {stream:String} LIMIT 1
