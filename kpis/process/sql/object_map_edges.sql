-- Directly-follows pairs in the lives of objects, by type: by pair of events and object, by pair of events, by object.
SELECT
    Kind AS object_type,
    tupleElement(One, 4) AS from_step,
    tupleElement(Next, 4) AS to_step,
    count() AS count,
    uniqExact(tupleElement(One, 3), tupleElement(Next, 3)) AS events,
    uniqExact(Object) AS objects
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
ARRAY JOIN arrayPopBack(Life) AS One, arrayPopFront(Life) AS Next
GROUP BY object_type, from_step, to_step
ORDER BY object_type, count DESC, from_step, to_step
