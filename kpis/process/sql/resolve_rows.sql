-- One occurrence of a step a row. Where events of a step of a case are in the trace, they say how often it happened, and
-- spans of it give them their time: an event's own span from its start to its end (several events in one span share it:
-- each begins where the one before ended), else a span that was under way when the event happened. Without events every
-- span is an occurrence that does the work and is not inside another of the same step; but a step by the name of a
-- business event takes the event, unless the model maps the span to it. What is no occurrence is kept for its queue waits
-- alone, without a step. An event that is in process_events and gets nothing new stays there.
INSERT INTO resolving_rows_in
(
    Trace, TraceId, Span, EventId, IsSpan, Kept, Stream, Case, Rule, Step, EventName, Seq, Start, At, System, Actor,
    Destination, Waits, Attributes, ReceivedAt, SegmentId, Content
)
SELECT
    Trace, TraceId, Span, EventId, IsSpan, Kept, Stream, Case, Rule, Shown, EventName, Seq, Began, Ended, System, Actor,
    Queue, Waited, Told, ReceivedAt, SegmentId,
    sipHash64(Rule, Shown, EventName, Seq, coalesce(Began, -1), Ended, System, Actor, Queue, Waited, Told)
FROM
(
    SELECT
        *,
        IsSpan = 0 OR EventsOfStep = 0 AND May = 1 AND Asks = NoneWorks
            AND (Inside = 0 OR AllInside = 1 AND First = Span) AS Occurs,
        IsSpan = 0 AND HasSpan = 0 AND Start IS NULL AND Since != 0 AND Reach >= At AS UnderWay,
        if(Occurs, Step, '') AS Shown,
        if(Occurs OR Attributes['retail.step'] = Step, Attributes, CAST(mapFromArrays(
            arrayConcat(arrayMap(k -> toString(k), mapKeys(Attributes)), ['retail.step']),
            arrayConcat(mapValues(Attributes), [Step])), 'Map(LowCardinality(String), String)')) AS Told,
        multiIf(
            UnderWay, least(greatest(Since, BeforeOfStep), At),
            IsSpan = 1 OR HasSpan = 0, Start,
            Place = 1, least(coalesce(Start, SpanStart), SpanStart),
            coalesce(Start, least(greatest(Before, SpanStart), At))) AS Began,
        if(IsSpan = 0 AND HasSpan = 1 AND Place = Events AND At >= LastOfSpan, greatest(At, SpanEnd), At)
            AS Ended,
        if(IsSpan = 0 AND HasSpan = 1 AND Place = 1, SpanWaits, Waits) AS Waited,
        if(IsSpan = 0 AND HasSpan = 1 AND Place = 1, SpanQueue, Destination) AS Queue
    FROM
    (
        SELECT
            *,
            max(IsSpan) OVER whole AS HasSpan,
            countIf(IsSpan = 0) OVER whole AS Events,
            argMax(coalesce(Start, 0), IsSpan) OVER whole AS SpanStart,
            argMax(At, IsSpan) OVER whole AS SpanEnd,
            argMax(Waits, IsSpan) OVER whole AS SpanWaits,
            argMax(Destination, IsSpan) OVER whole AS SpanQueue,
            row_number() OVER inOrder AS Place,
            lagInFrame(At) OVER inOrder AS Before,
            maxIf(At, IsSpan = 0) OVER (PARTITION BY Trace, Span, Stream, Case) AS LastOfSpan,
            countIf(IsSpan = 0) OVER ofStep AS EventsOfStep,
            minIf(Inside, IsSpan = 1 AND Asks = NoneWorks) OVER ofStep AS AllInside,
            argMinIf(Span, (coalesce(Start, 0), Span), IsSpan = 1 AND Asks = NoneWorks) OVER ofStep AS First,
            maxIf(At, IsSpan = 1 AND Asks = NoneWorks) OVER soFar AS Reach,
            argMaxIf(coalesce(Start, 0), At, IsSpan = 1 AND Asks = NoneWorks) OVER soFar AS Since,
            maxIf(At, IsSpan = 0) OVER earlier AS BeforeOfStep
        FROM
        (
            SELECT *, minIf(Asks, IsSpan = 1) OVER (PARTITION BY Trace, Stream, Case, Step) AS NoneWorks
            FROM
            (
                SELECT
                    f.*, s.Kind IN ('Client', 'Producer') AS Asks, n.Around != '' AS Inside,
                    NOT has({by_event:Array(String)}, Step) OR Step = transform(concat(Stream, '\n', s.Name),
                        {step_keys:Array(String)}, {step_names:Array(String)}, '') AS May
                FROM resolving_found_in AS f
                LEFT JOIN
                (
                    SELECT Trace AS OfTrace, Span AS OfSpan, Kind, Name, Parent FROM resolving_spans_in
                ) AS s ON s.OfTrace = f.Trace AND s.OfSpan = if(f.IsSpan = 1, f.Span, '')
                LEFT JOIN (SELECT Id, Case AS Around FROM /*from*/ WHERE Case != '') AS n
                    ON n.Id = if(s.Parent = '', 0, sipHash64(f.Trace, s.Parent, f.Stream, f.Case, f.Step))
            )
        )
        WINDOW
            whole AS (PARTITION BY Trace, Span, Stream, Case, Step),
            inOrder AS (PARTITION BY Trace, Span, Stream, Case, Step ORDER BY IsSpan, At, Seq, EventId
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
            ofStep AS (PARTITION BY Trace, Stream, Case, Step),
            soFar AS (PARTITION BY Trace, Stream, Case, Step
                ORDER BY if(IsSpan = 1, coalesce(Start, At), At), IsSpan DESC, Seq, EventId
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
            earlier AS (PARTITION BY Trace, Stream, Case, Step
                ORDER BY if(IsSpan = 1, coalesce(Start, At), At), IsSpan DESC, Seq, EventId
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )
)
WHERE if(IsSpan = 1, Occurs AND Step != '' OR notEmpty(Waits) AND Events = 0, HasSpan = 1 OR UnderWay OR Kept = 0)
