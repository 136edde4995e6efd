-- An event and a span of the same step, span id and case are one occurrence: the event's, from the span's start to the
-- span's end. Several events in one span share its time: each begins where the one before ended. An event that is in
-- process_events and has no such span stays there.
INSERT INTO resolving_rows_in
(
    Trace, TraceId, Span, EventId, IsSpan, Kept, Stream, Case, Rule, Step, EventName, Seq, Start, At, System, Actor,
    Destination, Waits, Attributes, ReceivedAt, SegmentId, Content
)
SELECT
    Trace, TraceId, Span, EventId, IsSpan, Kept, Stream, Case, Rule, Step, EventName, Seq, Began, Ended, System, Actor,
    Queue, Waited, Attributes, ReceivedAt, SegmentId,
    sipHash64(Rule, Step, EventName, Seq, coalesce(Began, -1), Ended, System, Actor, Queue, Waited, Attributes)
FROM
(
    SELECT
        *,
        multiIf(
            IsSpan = 1 OR HasSpan = 0, Start,
            Place = 1, least(coalesce(Start, SpanStart), SpanStart),
            coalesce(Start, least(greatest(Before, SpanStart), At))) AS Began,
        if(IsSpan = 0 AND HasSpan = 1 AND Place = Events, greatest(At, SpanEnd), At) AS Ended,
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
            lagInFrame(At) OVER inOrder AS Before
        FROM resolving_found_in
        WINDOW
            whole AS (PARTITION BY Trace, Span, Stream, Case, Step),
            inOrder AS (PARTITION BY Trace, Span, Stream, Case, Step ORDER BY IsSpan, At, Seq, EventId
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    )
)
WHERE if(IsSpan = 1, Events = 0, HasSpan = 1 OR Kept = 0)
