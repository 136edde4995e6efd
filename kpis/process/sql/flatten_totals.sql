-- Objects of a type, the distinct events that touch one, and how often they do.
SELECT uniqExact(ObjectId) AS cases, uniqExact(EventId) AS events, uniqExact(ObjectId, EventId) AS occurrences
FROM event_objects
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND ObjectType = {object_type:String}
