-- For each step: distinct events, occurrences in cases of this type, events in several cases, occurrences beyond the
-- first in a case, and of these the ones that are about other objects: distinct sets of objects of the other types that
-- the step's events of a case touch, beyond the first set.
WITH
    touched AS
    (
        SELECT DISTINCT ObjectId, EventId, toString(Step) AS ThisStep
        FROM event_objects
        WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND ObjectType = {object_type:String}
    ),
    others AS
    (
        SELECT EventId, sipHash64(arraySort(groupUniqArray((toString(ObjectType), ObjectId)))) AS Others
        FROM event_objects
        WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND ObjectType != {object_type:String}
        GROUP BY EventId
    )
SELECT
    ThisStep AS step,
    any(Events) AS events,
    sum(N) AS occurrences,
    any(Shared) AS shared,
    sum(N - 1) AS repeats,
    sum(Sets - 1) AS unrelated,
    countIf(Sets > 1) AS diverging_cases
FROM
(
    SELECT t.ThisStep AS ThisStep, t.ObjectId AS ObjectId, toInt64(count()) AS N, toInt64(uniqExact(o.Others)) AS Sets
    FROM touched AS t
    LEFT JOIN others AS o ON o.EventId = t.EventId
    GROUP BY ThisStep, ObjectId
) AS c
INNER JOIN
(
    SELECT ThisStep, count() AS Events, countIf(Objects > 1) AS Shared
    FROM (SELECT ThisStep, EventId, count() AS Objects FROM touched GROUP BY ThisStep, EventId)
    GROUP BY ThisStep
) AS e ON e.ThisStep = c.ThisStep
GROUP BY step
ORDER BY occurrences DESC, step
