-- The types of the objects that events of a stream touch.
SELECT DISTINCT toString(ObjectType) AS object_type
FROM event_objects
WHERE TenantId = {tenant:String} AND Stream = {stream:String}
ORDER BY object_type
