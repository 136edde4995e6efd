-- The waiting before the steps of a stream by cause, summed over transitions; seconds. After Lashkevich, Milani,
-- Chapela-Campa, Suvorau and Dumas, "Why am I waiting? Data-driven analysis of waiting times in business processes"
-- (2023); definitions in docs/process-bottlenecks.md. The filter chooses the waits that are explained; what keeps a
-- resource busy is taken from all cases. All times are ns, hours are those since the epoch.
--
-- What a resource does is laid out as pieces of time without overlap, each with the earliest moment at which anything
-- worked on in it had been ready. A moment of a wait is contended where that is no later than the wait's own begin of
-- being ready, and was given to something else where it is later. Pieces lie in lists, one for each cell of some hours (of
-- about 16 pieces), so that a wait looks at the lists of its own time and at no others. Working hours are a sum over the
-- week, so that a wait of months is as short as one of minutes.
WITH
    Work AS
    (
        -- Every step with a known start and a resource. `Enabled`: when nothing of the case was at work any more.
        SELECT
            CaseNumber, Chosen, Place, Previous, StepName,
            cityHash64(ResourceName) AS Resource,
            cityHash64(ResourceName, StepName) AS Doing,
            Began - Wait AS Enabled,
            Began,
            greatest(Finished, Began) AS Ended
        FROM
        (
            SELECT
                cityHash64(CaseId) AS CaseNumber,
                toUInt8(/*filter*/) AS Chosen,
                Steps, Resources, Waits, Starts, Ends, Started
            FROM cases FINAL
            WHERE TenantId = {tenant:String} AND Stream = {stream:String}
        )
        ARRAY JOIN
            Steps AS StepName,
            arrayShiftRight(Steps, 1) AS Previous,
            Resources AS ResourceName,
            Waits AS Wait,
            Starts AS Began,
            Ends AS Finished,
            Started AS IsKnown,
            arrayEnumerate(Steps) AS Place
        WHERE IsKnown = 1 AND ResourceName != ''
    ),
    Sessions AS
    (
        -- One resource at one step without a break: the next begins before the last of those before it has ended.
        SELECT
            *,
            max(if(Breaks, Began, 0)) OVER (
                PARTITION BY Doing ORDER BY Began ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS Session
        FROM
        (
            SELECT
                *,
                Began > max(Ended) OVER (
                    PARTITION BY Doing ORDER BY Began ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS Breaks
            FROM Work
        )
    ),
    Batches AS
    (
        -- Two or more cases that were all ready before the first of them was begun. `Ready`: when the last one was.
        SELECT
            Chosen, Place, Previous, StepName, Resource, Enabled, Began, Ended,
            Waited AND FirstCase != LastCase AS Batched,
            if(Batched, cityHash64(Doing, Session), 0) AS Batch,
            if(Batched, LastReady, Enabled) AS Ready
        FROM
        (
            SELECT
                *,
                Place > 1 AND Enabled <= Session AS Waited,
                minIf(CaseNumber, Waited) OVER (PARTITION BY Doing, Session) AS FirstCase,
                maxIf(CaseNumber, Waited) OVER (PARTITION BY Doing, Session) AS LastCase,
                maxIf(Enabled, Waited) OVER (PARTITION BY Doing, Session) AS LastReady
            FROM Sessions
        )
    ),
    Calendars AS
    (
        -- Of each hour of the week (0 is Monday's first) how many before it are off. None are where too little is known of
        -- anybody. `Width`: hours of a cell.
        SELECT
            Resource AS CalendarOf,
            multiIf(OwnOften >= {evidence:Float64}, 'own', AllOften >= {evidence:Float64}, 'pooled', '') AS Kind,
            arrayMap(
                (o, a) -> toUInt8(multiIf(
                    Kind = 'own', o < {share:Float64} * OwnOften, Kind = 'pooled', a < {share:Float64} * AllOften, 0)),
                Weeks, AllWeeks) AS Off,
            arrayMap(n -> toUInt8(n), arrayPushFront(arrayCumSum(Off), 0)) AS OffBefore,
            Width
        FROM
        (
            SELECT
                Resource, Weeks, Width,
                sumForEach(Weeks) OVER () AS AllWeeks,
                arraySum(Weeks) / arrayCount(n -> n > 0, Weeks) AS OwnOften,
                arraySum(AllWeeks) / arrayCount(n -> n > 0, AllWeeks) AS AllOften
            FROM
            (
                -- In how many weeks the resource was at work in each hour of the week.
                SELECT
                    Resource,
                    countResample(0, 168, 1)(toInt64((/*local Hour*/ + 72) % 168)) AS Weeks,
                    toInt64(least(greatest(ceil(16 * (max(Hour) - min(Hour) + 1) / sum(Tasks)), 1), 168)) AS Width
                FROM
                (
                    SELECT Resource, Hour, count() AS Tasks
                    FROM Work
                    ARRAY JOIN range(
                        intDiv(Began, 3600000000000),
                        intDiv(greatest(Ended - 1, Began), 3600000000000) + 1) AS Hour
                    GROUP BY Resource, Hour
                )
                GROUP BY Resource
            )
        )
    ),
    Tasks AS
    (
        -- What each resource had to do in each hour, in the order of its beginnings. What did more than `most` things
        -- within an hour is no single worker.
        SELECT
            Resource,
            Hour,
            arraySort(groupArray((
                greatest(Began, Hour * 3600000000000), least(Ended, (Hour + 1) * 3600000000000), Enabled, Batch, Ready)))
                AS List,
            arrayMap(t -> tupleElement(t, 1), List) AS Begins,
            arrayMap(t -> tupleElement(t, 2), List) AS Finishes,
            arrayAll((e, s) -> e <= s, arrayPopBack(Finishes), arrayPopFront(Begins)) AS Apart
        FROM Batches
        ARRAY JOIN range(intDiv(Began, 3600000000000), intDiv(Ended - 1, 3600000000000) + 1) AS Hour
        WHERE Ended > Began
        GROUP BY Resource, Hour
        HAVING count() <= {most:UInt32}
    ),
    Pieces AS
    (
        -- Where things overlap, the hour is cut wherever one begins or ends. A task is then in all pieces from the rank of
        -- its begin to that of its end; the pieces themselves come as rows of no task.
        SELECT
            Resource, Hour, Piece,
            max(PieceBegan) AS Began,
            max(PieceEnded) AS Ended,
            min(TaskEnabled) AS Earliest,
            groupArrayIf((TaskBatch, TaskEnabled, TaskReady), TaskEnabled < 9223372036854775807) AS Parts
        FROM
        (
            SELECT
                Resource, Hour,
                tupleElement(One, 3) AS PieceBegan, tupleElement(One, 4) AS PieceEnded,
                tupleElement(One, 5) AS TaskEnabled, tupleElement(One, 6) AS TaskBatch, tupleElement(One, 7) AS TaskReady,
                Piece
            FROM
            (
                SELECT
                    Resource, Hour,
                    arrayConcat(Begins, Finishes) AS Points,
                    arraySort((i, p) -> p, arrayEnumerate(Points), Points) AS PlacesInOrder,
                    arraySort((r, i) -> i, arrayEnumerateDense(arraySort(Points)), PlacesInOrder) AS Ranks,
                    arrayDistinct(arraySort(Points)) AS Cuts,
                    if(Apart,
                        arrayMap(
                            (t, k) -> (toUInt32(k), toUInt32(k + 1), tupleElement(t, 1), tupleElement(t, 2),
                                tupleElement(t, 3), tupleElement(t, 4), tupleElement(t, 5)),
                            List, arrayEnumerate(List)),
                        arrayConcat(
                            arrayMap(
                                (t, a, b) -> (toUInt32(a), toUInt32(b), toInt64(0), toInt64(0),
                                    tupleElement(t, 3), tupleElement(t, 4), tupleElement(t, 5)),
                                List, arraySlice(Ranks, 1, length(List)), arraySlice(Ranks, length(List) + 1)),
                            arrayMap(
                                (a, b, k) -> (toUInt32(k), toUInt32(k + 1), a, b,
                                    toInt64(9223372036854775807), toUInt64(0), toInt64(0)),
                                arrayPopBack(Cuts), arrayPopFront(Cuts), arrayEnumerate(arrayPopBack(Cuts))))) AS Entries
                FROM Tasks
            )
            ARRAY JOIN Entries AS One
            ARRAY JOIN range(tupleElement(One, 1), tupleElement(One, 2)) AS Piece
        )
        GROUP BY Resource, Hour, Piece
        HAVING notEmpty(Parts)
    ),
    Cells AS
    (
        -- `Later`, for the cases of a batch: the earliest that one of the batch worked on in this piece had been enabled,
        -- 0 where something else was at work that had been enabled before the batch was ready. Lists of their own, which
        -- are short; a piece with several batches is in them once for each.
        SELECT
            Resource AS CellOf,
            intDiv(Hour, Width) AS Cell,
            groupArrayIf(Began, NOT Again) AS PieceBegins,
            groupArrayIf(Ended, NOT Again) AS PieceEnds,
            groupArrayIf(Earliest, NOT Again) AS PieceEarliest,
            groupArrayIf(OffDuty, NOT Again) AS PieceOff,
            groupArrayIf(Began, tupleElement(Own, 1) != 0) AS BatchBegins,
            groupArrayIf(Ended, tupleElement(Own, 1) != 0) AS BatchEnds,
            groupArrayIf(tupleElement(Own, 1), tupleElement(Own, 1) != 0) AS BatchNumbers,
            groupArrayIf(tupleElement(Own, 2), tupleElement(Own, 1) != 0) AS BatchLaters
        FROM
        (
            SELECT
                Resource, Hour, Width, Began, Ended, Earliest, OffDuty, Own,
                toUInt8(Entry > 1) AS Again
            FROM
            (
                SELECT
                    Resource, Hour, Width, Began, Ended, Earliest,
                    Off[1 + (/*local Hour*/ + 72) % 168] AS OffDuty,
                    arrayDistinct(arrayFilter(b -> b != 0, arrayMap(p -> tupleElement(p, 1), Parts))) AS Ones,
                    if(empty(Ones), [(toUInt64(0), toInt64(0))], arrayMap(
                        b -> (
                            b,
                            if(arrayMin(arrayMap(
                                    p -> if(tupleElement(p, 1) = b, toInt64(9223372036854775807), tupleElement(p, 2)), Parts))
                                > arrayMax(arrayMap(p -> if(tupleElement(p, 1) = b, tupleElement(p, 3), 0), Parts)),
                                arrayMin(arrayMap(
                                    p -> if(tupleElement(p, 1) = b, tupleElement(p, 2), toInt64(9223372036854775807)), Parts)),
                                toInt64(0))),
                        Ones)) AS Owns
                FROM Pieces
                INNER JOIN Calendars ON Resource = CalendarOf
            )
            ARRAY JOIN Owns AS Own, arrayEnumerate(Owns) AS Entry
        )
        GROUP BY Resource, Cell
    ),
    Waiting AS
    (
        SELECT
            Previous, StepName, Resource, Enabled, Ready, Began, Batch, Kind,
            if(Began > Ready, /*off until Began*/ - /*off until Ready*/ + /*clocks set*/, 0) AS OffDutyNs,
            intDiv(intDiv(Ready, 3600000000000), Width) AS FirstCell,
            greatest(FirstCell, intDiv(intDiv(Began - 1, 3600000000000), Width)) AS LastCell
        FROM Batches
        INNER JOIN Calendars ON Resource = CalendarOf
        WHERE Chosen = 1 AND Place > 1 AND Began > Enabled
    )
SELECT
    toString(Previous) AS from_step,
    toString(StepName) AS to_step,
    countIf(IsFirst) AS waits,
    sumIf((Ready - Enabled) / 1e9, IsFirst) AS batching_s,
    sum((Occupied - Given) / 1e9) AS contention_s,
    sum(Given / 1e9) AS prioritisation_s,
    sumIf(OffDutyNs / 1e9, IsFirst) - sum(OffOccupied / 1e9) AS unavailability_s,
    sumIf((Began - Ready - OffDutyNs) / 1e9, IsFirst) - sum((Occupied - OffOccupied) / 1e9) AS other_s,
    sumIf((Began - Ready) / 1e9, IsFirst AND Kind = 'own') AS own_calendar_s,
    sumIf((Began - Ready) / 1e9, IsFirst AND Kind = 'pooled') AS pooled_calendar_s
FROM
(
    SELECT
        Previous, StepName, Enabled, Ready, Began, OffDutyNs, Kind, IsFirst,
        arrayMap((s, e) -> greatest(least(e, Began) - greatest(s, Ready), 0), PieceBegins, PieceEnds) AS Spent,
        arraySum(Spent) AS Occupied,
        if(OffDutyNs = 0, 0, arraySum((n, off) -> n * off, Spent, PieceOff)) AS OffOccupied,
        arraySum((n, earliest) -> if(earliest > Ready, n, 0), Spent, PieceEarliest)
            + if(Batch = 0, 0, arraySum(
                (s, e, b, later) -> if(
                    b = Batch AND later > Enabled, greatest(least(e, Began) - greatest(s, Ready), 0), 0),
                BatchBegins, BatchEnds, BatchNumbers, BatchLaters)) AS Given
    FROM
    (
        SELECT
            Previous, StepName, Resource, Enabled, Ready, Began, Batch, Kind, OffDutyNs, Cell,
            Cell = FirstCell AS IsFirst
        FROM Waiting
        ARRAY JOIN range(FirstCell, LastCell + 1) AS Cell
    ) AS Looking
    LEFT ANY JOIN Cells ON Looking.Resource = Cells.CellOf AND Looking.Cell = Cells.Cell
)
GROUP BY from_step, to_step
HAVING waits > 0
ORDER BY batching_s + contention_s + prioritisation_s + unavailability_s + other_s DESC, from_step, to_step
