-- Makes cases from events: one row a case, its steps in order. The parameters `details`, `terminal`, `value` hold event
-- (or step) names of this stream, see models/. `Covered` is the end of everything that began earlier in the case: what a
-- step adds beyond it is work, a gap before a known start is waiting, before an instant event unknown. A step that ends
-- before it begins ends where it begins (`Reached`); the case lasts to the last end that was told. Of each attribute the
-- first value in the case counts: once the events are in order, the first of its key. Steps come from the events that name
-- their case, from those found for a case (these replace the former, where both have one), and for a stream by object from
-- the events of its objects; a stream has the third or the others. The selection looks at case ids and times alone, which
-- all versions of an event share, so it may come before FINAL; that spares merging what nobody asked for. `earliest`: none
-- of the selected cases has an event before; it spares reading the months before.
INSERT INTO cases
(
    TenantId, Stream, CaseId, Version, Model, First, Last, Events, Variant, Rework, Steps, EventNames, Starts, Ends,
    Started, Waits, Works, Unknowns, Resources, Systems, Actors, Rules, Duration, Waiting, Working, Unknown, Touch,
    LastStep, LastEvent, Outcome, ClosedAt, Value, Currency, Attributes, ReceivedAt
)
WITH
    E.1 AS Began, E.2 AS Ended, E.5 AS StepNames, E.6 AS Names, E.7 AS Known,
    arrayFlatten(arrayMap(m -> mapKeys(m), E.12)) AS Keys, arrayFlatten(arrayMap(m -> mapValues(m), E.12)) AS Given,
    arrayEnumerateUniq(Keys) AS Times,
    length(E) AS N,
    arrayMap((b, e) -> greatest(b, e), Began, Ended) AS Reached,
    arrayMap((c, b, i) -> if(i = 1, b, c),
        arrayReduceInRanges('max', arrayMap(i -> (1, i), range(0, N)), Reached), Began, range(1, N + 1)) AS Covered,
    arrayMap((s, b, e, c) -> if(s = 1, greatest(e - greatest(b, c), 0), 0), Known, Began, Ended, Covered) AS Work,
    arrayMap((s, b, c) -> if(s = 1, greatest(b - c, 0), 0), Known, Began, Covered) AS Wait,
    arrayMap((s, b, c) -> if(s = 0, greatest(b - c, 0), 0), Known, Began, Covered) AS Unclear,
    arrayFirstIndex((n, s) -> has({terminal:Array(String)}, n) OR has({terminal:Array(String)}, s),
        Names, StepNames) AS Closing
SELECT
    {tenant:String}, {stream:String}, CaseId, {version:UInt64}, {model:UInt64},
    fromUnixTimestamp64Nano(Began[1]), LastAt, N, cityHash64(StepNames), length(arrayDistinct(StepNames)) < N,
    StepNames, Names, Began, Ended, Known, Wait, Work, Unclear, E.8, E.9, E.10, E.11,
    greatest(toUnixTimestamp64Nano(LastAt) - Began[1], 0), arraySum(Wait), arraySum(Work), arraySum(Unclear),
    arraySum(arrayMap((s, b, e) -> if(s = 1, greatest(e - b, 0), 0), Known, Began, Ended)),
    Latest.1, Latest.2,
    if(Closing = 0, '', if(has({terminal:Array(String)}, Names[Closing]), Names[Closing], StepNames[Closing])),
    if(Closing = 0, NULL, fromUnixTimestamp64Nano(Ended[Closing])),
    coalesce(NamedValue, LargestValue), CaseCurrency,
    mapFromArrays(arrayFilter((k, n) -> n = 1, Keys, Times), arrayFilter((v, n) -> n = 1, Given, Times)), Received
FROM
(
    SELECT
        CaseId,
        arraySort(groupArray((
            toUnixTimestamp64Nano(coalesce(StartTime, Timestamp)), toUnixTimestamp64Nano(Timestamp), Seq, EventId,
            Step, EventName, toUInt8(StartTime IS NOT NULL), Resource, System, ActorType, CaseRule,
            mapFilter((k, v) -> k NOT IN {unkept:Array(String)} AND length(v) <= 256, Attributes)))) AS E,
        max(Timestamp) AS LastAt,
        argMax((toString(Step), toString(EventName)), (Timestamp, Seq, EventId)) AS Latest,
        maxIf(Amount, has({value:Array(String)}, EventName)) AS NamedValue,
        max(Amount) AS LargestValue,
        max(if(Amount IS NULL, '', toString(Currency))) AS CaseCurrency,
        max(ReceivedAt) AS Received
    FROM
    (
        SELECT
            CaseId, Timestamp, Seq, EventId, Step, EventName, StartTime, Resource, System, ActorType, Amount, Currency,
            CaseRule, Attributes, ReceivedAt
        FROM process_events FINAL
        PREWHERE Timestamp >= {earliest:DateTime64(9)} AND /*selection*/
        WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND NOT has({details:Array(String)}, EventName)
            AND (CaseId, EventId) NOT IN (
                SELECT CaseId, EventId
                FROM resolved_steps FINAL
                WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND EventName != '' AND /*selection*/)
        UNION ALL
        SELECT
            CaseId, Timestamp, Seq, EventId, Step, EventName, StartTime, Resource, System, ActorType, Amount, Currency,
            CaseRule, Attributes, ReceivedAt
        FROM
        (
            SELECT *
            FROM resolved_steps FINAL
            WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND Step != ''
                AND NOT has({details:Array(String)}, EventName) AND /*selection*/
            ORDER BY CaseId, EventId, TraceId
            LIMIT 1 BY CaseId, EventId, if(EventName = '', TraceId, '')
        )
        UNION ALL
        SELECT
            ObjectId AS CaseId, Timestamp, Seq, EventId, Step, EventName, StartTime, Resource, System, ActorType, Amount,
            Currency, 'business_key' AS CaseRule, Attributes, ReceivedAt
        FROM object_events FINAL
        WHERE TenantId = {tenant:String} AND Stream = {base:String} AND ObjectType = {object_type:String} AND /*selection*/
    )
    GROUP BY CaseId
)
