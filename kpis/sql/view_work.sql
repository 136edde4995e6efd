-- The work in cases: how many steps people, systems and agents took, and how many were repetitions. `details` are events
-- that are no steps of their own.
WITH events AS
(
/*events*/
)
SELECT
    Stream, CaseId, '' AS Subject, min(Timestamp) AS Began, min(Timestamp) AS FirstAt, max(Timestamp) AS LastAt, count() AS Events,
    countIf(ActorType = 'human') AS HumanSteps, countIf(ActorType = 'system') AS SystemSteps, countIf(ActorType = 'agent') AS AgentSteps,
    Events - HumanSteps - SystemSteps - AgentSteps AS UnknownSteps, uniqExact(Step) AS Kinds, Events - Kinds AS Repeats
FROM events
WHERE NOT has({details:Array(String)}, EventName)
GROUP BY Stream, CaseId
