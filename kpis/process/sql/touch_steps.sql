-- Every step by who does it, over all cases that the filter lets through.
SELECT
    Step AS step,
    count() AS count,
    countIf(Actor = 'human') AS human,
    countIf(Actor = 'system') AS system,
    countIf(Actor = 'agent') AS agent
FROM
(
    SELECT Steps, Actors
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
)
ARRAY JOIN Steps AS Step, Actors AS Actor
GROUP BY step
ORDER BY count DESC, step
