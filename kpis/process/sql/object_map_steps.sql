-- Steps in the lives of objects, by type. An object that an event touches in several roles is touched once.
SELECT
    Kind AS object_type,
    tupleElement(One, 4) AS step,
    count() AS occurrences,
    uniqExact(tupleElement(One, 3)) AS events,
    uniqExact(Object) AS objects,
    countIf(Place = 1) AS starts,
    countIf(Place = length(Life)) AS ends
FROM
(
    SELECT
        toString(ObjectType) AS Kind, ObjectId AS Object,
        arraySort(groupUniqArray((Timestamp, Seq, EventId, toString(Step)))) AS Life
    FROM event_objects
    WHERE TenantId = {tenant:String} AND Stream = {stream:String}
        AND (empty({types:Array(String)}) OR ObjectType IN {types:Array(String)})
    GROUP BY Kind, Object
)
ARRAY JOIN Life AS One, arrayEnumerate(Life) AS Place
GROUP BY object_type, step
ORDER BY object_type, occurrences DESC, step
