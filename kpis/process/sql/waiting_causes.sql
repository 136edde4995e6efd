-- The waiting before the steps of a stream by cause, summed over transitions; seconds. After Lashkevich, Milani,
-- Chapela-Campa, Suvorau and Dumas, "Why am I waiting? Data-driven analysis of waiting times in business processes"
-- (2023); definitions in docs/process-bottlenecks.md. The filter chooses the waits that are explained; what keeps a
-- resource busy is taken from all cases. A wait is cut at full hours, because within an hour the working calendar is
-- constant and what the resource had to do is one small array.
WITH
    Work AS
    (
        -- Every step with a known start and a resource. `Enabled`: when nothing of the case was at work any more.
        SELECT
            CaseId, Chosen,
            tupleElement(One, 1) AS Place,
            tupleElement(One, 2) AS Previous,
            tupleElement(One, 3) AS StepName,
            tupleElement(One, 4) AS Resource,
            tupleElement(One, 5) AS Enabled,
            tupleElement(One, 6) AS Began,
            greatest(tupleElement(One, 7), Began) AS Ended
        FROM
        (
            SELECT
                CaseId,
                toUInt8(/*filter*/) AS Chosen,
                arrayMap(
                    (i, p, s, r, w, b, e, k) -> (i, p, toString(s), toString(r), b - w, b, e, k),
                    arrayEnumerate(Steps), arrayPushFront(arrayPopBack(CAST(Steps, 'Array(String)')), ''),
                    Steps, Resources, Waits, Starts, Ends, Started) AS List
            FROM cases FINAL
            WHERE TenantId = {tenant:String} AND Stream = {stream:String}
        )
        ARRAY JOIN arrayFilter(p -> tupleElement(p, 8) = 1 AND tupleElement(p, 4) != '', List) AS One
    ),
    Sessions AS
    (
        -- One resource at one step without a break: the next begins before the last of those before it has ended.
        SELECT
            *,
            sum(Breaks) OVER (
                PARTITION BY Resource, StepName ORDER BY Began, Ended, CaseId, Place
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS Session
        FROM
        (
            SELECT
                *,
                Began > max(Ended) OVER (
                    PARTITION BY Resource, StepName ORDER BY Began, Ended, CaseId, Place
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS Breaks
            FROM Work
        )
    ),
    Members AS
    (
        SELECT
            *,
            Place > 1 AND Enabled <= min(Began) OVER (PARTITION BY Resource, StepName, Session) AS Waited
        FROM Sessions
    ),
    Batches AS
    (
        -- Two or more cases that were all ready before the first of them was begun. `Ready`: when the last one was.
        SELECT
            *,
            Waited AND uniqExactIf(CaseId, Waited) OVER (PARTITION BY Resource, StepName, Session) > 1 AS Batched,
            if(Batched, cityHash64(Resource, StepName, Session), 0) AS Batch,
            if(Batched, maxIf(Enabled, Waited) OVER (PARTITION BY Resource, StepName, Session), Enabled) AS Ready
        FROM Members
    ),
    Busy AS
    (
        -- What each resource had to do in each hour, in the order of its beginnings. What did more than `most` things
        -- within an hour is no single worker, and would make each wait a long list.
        SELECT
            Resource AS BusyResource,
            Hour AS BusyHour,
            arraySort(groupArray((
                greatest(Began, Hour * 3600000000000), least(Ended, (Hour + 1) * 3600000000000), Enabled, Batch))) AS Tasks
        FROM Batches
        ARRAY JOIN range(intDiv(Began, 3600000000000), intDiv(Ended - 1, 3600000000000) + 1) AS Hour
        WHERE Ended > Began
        GROUP BY BusyResource, BusyHour
        HAVING count() <= {most:UInt32}
    ),
    Seen AS
    (
        -- How many weeks have each resource at work in an hour of the week.
        SELECT Resource, Slot, count() AS Weeks
        FROM
        (
            SELECT DISTINCT
                Resource,
                Hour,
                toDayOfWeek(fromUnixTimestamp(Hour * 3600), 0, {timezone:String}) * 24
                    + toHour(fromUnixTimestamp(Hour * 3600), {timezone:String}) AS Slot
            FROM Work
            ARRAY JOIN range(
                intDiv(Began, 3600000000000), intDiv(greatest(Ended - 1, Began), 3600000000000) + 1) AS Hour
        )
        GROUP BY Resource, Slot
    ),
    Own AS
    (
        SELECT
            Resource,
            groupArray((Slot, Weeks)) AS Slots,
            avg(Weeks) AS Often
        FROM Seen
        GROUP BY Resource
    ),
    Everybody AS
    (
        SELECT groupArray((Slot, Weeks)) AS Slots, avg(Weeks) AS Often
        FROM (SELECT Slot, sum(Weeks) AS Weeks FROM Seen GROUP BY Slot)
    ),
    Calendars AS
    (
        -- An empty list of hours is no calendar: too little is known of anybody.
        SELECT
            Resource AS CalendarOf,
            multiIf(Own.Often >= {evidence:Float64}, 'own', Everybody.Often >= {evidence:Float64}, 'pooled', '') AS Kind,
            arrayMap(p -> tupleElement(p, 1), arrayFilter(
                p -> tupleElement(p, 2) >= {share:Float64} * if(Kind = 'own', Own.Often, Everybody.Often),
                multiIf(Kind = 'own', Own.Slots, Kind = 'pooled', Everybody.Slots, []))) AS Hours
        FROM Own CROSS JOIN Everybody
    ),
    Pieces AS
    (
        SELECT
            Previous, StepName, Resource, Enabled, Ready, Batch, Piece,
            greatest(Ready, Piece * 3600000000000) AS Since,
            least(Began, (Piece + 1) * 3600000000000) AS Until
        FROM Batches
        ARRAY JOIN range(intDiv(Ready, 3600000000000), intDiv(Began - 1, 3600000000000) + 1) AS Piece
        WHERE Chosen = 1 AND Began > Ready
    )
SELECT
    from_step,
    to_step,
    sum(Waits) AS waits,
    sum(Batching) AS batching_s,
    sum(Contention) AS contention_s,
    sum(Prioritisation) AS prioritisation_s,
    sum(Unavailability) AS unavailability_s,
    sum(Other) AS other_s,
    sum(OwnCalendar) AS own_calendar_s,
    sum(PooledCalendar) AS pooled_calendar_s
FROM
(
    SELECT
        Previous AS from_step,
        StepName AS to_step,
        countIf(Began > Enabled) AS Waits,
        sum((Ready - Enabled) / 1e9) AS Batching,
        0. AS Contention,
        0. AS Prioritisation,
        0. AS Unavailability,
        0. AS Other,
        0. AS OwnCalendar,
        0. AS PooledCalendar
    FROM Batches
    WHERE Chosen = 1 AND Place > 1
    GROUP BY from_step, to_step
    UNION ALL
    SELECT
        Previous,
        StepName,
        0,
        0.,
        sum(Earlier / 1e9),
        sum((Occupied - Earlier) / 1e9),
        sumIf((Until - Since - Occupied) / 1e9, OffDuty),
        sumIf((Until - Since - Occupied) / 1e9, NOT OffDuty),
        sumIf((Until - Since) / 1e9, Kind = 'own'),
        sumIf((Until - Since) / 1e9, Kind = 'pooled')
    FROM
    (
        SELECT
            Previous, StepName, Since, Until, Kind,
            arrayFilter(
                t -> tupleElement(t, 2) > tupleElement(t, 1),
                arrayMap(
                    t -> (
                        greatest(tupleElement(t, 1), Since), least(tupleElement(t, 2), Until),
                        tupleElement(t, 3) <= if(Batch != 0 AND tupleElement(t, 4) = Batch, Enabled, Ready)),
                    Tasks)) AS Others,
            tupleElement(arrayFold(
                (acc, t) -> (
                    greatest(tupleElement(acc, 1), tupleElement(t, 2)),
                    tupleElement(acc, 2)
                        + greatest(tupleElement(t, 2) - greatest(tupleElement(t, 1), tupleElement(acc, 1)), 0)),
                Others, (Since, toInt64(0))), 2) AS Occupied,
            tupleElement(arrayFold(
                (acc, t) -> (
                    greatest(tupleElement(acc, 1), tupleElement(t, 2)),
                    tupleElement(acc, 2)
                        + greatest(tupleElement(t, 2) - greatest(tupleElement(t, 1), tupleElement(acc, 1)), 0)),
                arrayFilter(t -> tupleElement(t, 3), Others), (Since, toInt64(0))), 2) AS Earlier,
            Kind != '' AND NOT has(Hours,
                toDayOfWeek(fromUnixTimestamp(Piece * 3600), 0, {timezone:String}) * 24
                    + toHour(fromUnixTimestamp(Piece * 3600), {timezone:String})) AS OffDuty
        FROM Pieces
        LEFT ANY JOIN Busy ON Resource = BusyResource AND Piece = BusyHour
        LEFT ANY JOIN Calendars ON Resource = CalendarOf
    )
    GROUP BY Previous, StepName
)
GROUP BY from_step, to_step
HAVING waits > 0
ORDER BY batching_s + contention_s + prioritisation_s + unavailability_s + other_s DESC, from_step, to_step
