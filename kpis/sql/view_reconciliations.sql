-- Reconciliations: two books were compared, from when to when, by whom, and what the difference was. A repetition under the
-- same id is work again and a row of its own.
WITH events AS
(
/*events*/
)
SELECT
    Stream, CaseId, EventId AS Subject, Timestamp AS Began, StartTime AS StartedAt, Timestamp AS EndedAt,
    PeriodId, toString(ActorType) AS ActorType, toString(Resource) AS Resource,
    Amount AS Difference, toString(Currency) AS Currency
FROM events
