-- The work in cases: how many steps people, systems and agents took, and how many were repetitions. `details` are the
-- streams and names of events that are no steps of their own; a case that has only those has a row, so that it is known
-- since when, and no times.
WITH events AS
(
    SELECT *, (toString(Stream), toString(EventName)) NOT IN (SELECT arrayJoin({details:Array(Tuple(String, String))})) AS IsStep
    FROM
    (
/*events*/
    )
)
SELECT
    Stream, CaseId, '' AS Subject, min(Timestamp) AS Began, minOrNullIf(Timestamp, IsStep) AS FirstAt,
    maxOrNullIf(Timestamp, IsStep) AS LastAt, countIf(IsStep) AS Events, countIf(IsStep AND ActorType = 'human') AS HumanSteps,
    countIf(IsStep AND ActorType = 'system') AS SystemSteps, countIf(IsStep AND ActorType = 'agent') AS AgentSteps,
    Events - HumanSteps - SystemSteps - AgentSteps AS UnknownSteps, uniqExactIf(Step, IsStep) AS Kinds, Events - Kinds AS Repeats
FROM events
GROUP BY Stream, CaseId
