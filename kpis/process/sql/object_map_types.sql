-- Types of objects: objects and distinct events; and the distinct events of all of them.
SELECT
    toString(ObjectType) AS object_type,
    uniqExact(ObjectId) AS objects,
    uniqExact(EventId) AS events,
    (
        SELECT uniqExact(EventId)
        FROM event_objects
        WHERE TenantId = {tenant:String} AND Stream = {stream:String}
            AND (empty({types:Array(String)}) OR ObjectType IN {types:Array(String)})
    ) AS all_events
FROM event_objects
WHERE TenantId = {tenant:String} AND Stream = {stream:String}
    AND (empty({types:Array(String)}) OR ObjectType IN {types:Array(String)})
GROUP BY object_type
ORDER BY events DESC, object_type
