-- The case of every span that may be a step and of every business event, with the rule that found it; the step; and how
-- long a consumer's messages had waited: from the end of the producer's span to the start of the consumer's. An event that
-- names no case is a business event when it names a stream or a step, or has a name of the catalogue or of a model: what else has an
-- event name is an exception, a click, and tells whose trace it is, but no step.
INSERT INTO resolving_found_in
(
    Trace, TraceId, Span, EventId, IsSpan, Kept, Stream, Case, Rule, Step, EventName, Seq, Start, At, System, Actor,
    Destination, Waits, Attributes, ReceivedAt, SegmentId
)
WITH
    own AS
    (
        SELECT Trace, Span, KeyStream AS Stream, KeyCase AS Case FROM resolving_spans_in WHERE Rule != ''
        UNION ALL
        SELECT Trace, Span, Stream, Case FROM resolving_linked_in WHERE Hop = {hop:UInt8}
    ),
    known AS
    (
        SELECT Trace, arrayJoin(arrayDistinct([Stream, ''])) AS Wanted, uniqExact(Stream, Case) AS N,
            any(Stream) AS TheStream, any(Case) AS TheCase
        FROM
        (
            SELECT Trace, Stream, Case FROM own
            UNION ALL
            SELECT Trace, KeyStream AS Stream, KeyCase AS Case FROM resolving_events_in WHERE Rule != ''
        )
        GROUP BY Trace, Wanted
    ),
    sent AS
    (
        SELECT Trace, Span, Ended, Destination FROM resolving_spans_in WHERE Kind = 'Producer'
    ),
    waits AS
    (
        SELECT Trace, Span,
            arraySort(if(countIf(ByLink = 1) > 0, groupArrayIf(Wait, ByLink = 1), groupArray(Wait))) AS Waited,
            max(Queue) AS SentTo
        FROM
        (
            SELECT c.Trace AS Trace, c.Span AS Span, 1 AS ByLink, c.Began - p.Ended AS Wait, p.Destination AS Queue
            FROM
            (
                SELECT Trace, Span, Began, LinkTrace, LinkSpan
                FROM resolving_spans_in
                ARRAY JOIN
                    arraySlice(LinkTraces, 1, {links:UInt32}) AS LinkTrace,
                    arraySlice(LinkSpans, 1, {links:UInt32}) AS LinkSpan
                WHERE Kind = 'Consumer'
            ) AS c
            INNER JOIN sent AS p ON p.Trace = c.LinkTrace AND p.Span = c.LinkSpan
            UNION ALL
            SELECT c.Trace AS Trace, c.Span AS Span, 0 AS ByLink, c.Began - p.Ended AS Wait, p.Destination AS Queue
            FROM (SELECT Trace, Span, Parent, Began FROM resolving_spans_in WHERE Kind = 'Consumer') AS c
            INNER JOIN sent AS p ON p.Trace = c.Trace AND p.Span = c.Parent
        )
        GROUP BY Trace, Span
    )
SELECT
    Trace, TraceId, Span, EventId, IsSpan, Kept, tupleElement(Found, 1), tupleElement(Found, 2), tupleElement(Found, 3),
    if(Step != '' OR IsSpan = 0, Step, transform(concat(tupleElement(Found, 1), '\n', Name),
        {step_keys:Array(String)}, {step_names:Array(String)}, '')) AS StepName,
    EventName, Seq, Start, At, System, Actor, if(Destination != '', Destination, SentTo), Waited, Attributes, ReceivedAt,
    SegmentId
FROM
(
    SELECT
        c.Trace AS Trace, c.TraceId AS TraceId, c.Span AS Span, c.EventId AS EventId, c.IsSpan AS IsSpan,
        c.Kept AS Kept, c.Step AS Step, c.Name AS Name, c.EventName AS EventName, c.Seq AS Seq, c.Start AS Start,
        c.At AS At, c.System AS System, c.Actor AS Actor, c.Destination AS Destination, c.Attributes AS Attributes,
        c.ReceivedAt AS ReceivedAt, c.SegmentId AS SegmentId, q.Waited AS Waited, q.SentTo AS SentTo,
        multiIf(
            c.Rule != '', (c.KeyStream, c.KeyCase, c.Rule),
            l.Case != '', (l.Stream, l.Case, 'link'),
            u.Case != '', (u.Stream, u.Case, 'parent'),
            k.N = 1, (k.TheStream, k.TheCase, 'trace'),
            k.N = 0 AND c.Stream != '' AND c.TraceId != '', (c.Stream, c.TraceId, 'trace_id'),
            ('', '', '')) AS Found
    FROM
    (
        SELECT
            Trace, Trace AS TraceId, Span, Span AS LinkedAs, concat('span ', Span) AS EventId, 1 AS IsSpan, 0 AS Kept, Stream, KeyStream,
            KeyCase, Rule, Step, Name, '' AS EventName, toUInt64OrZero(Attributes['retail.seq']) AS Seq,
            CAST(Began, 'Nullable(Int64)') AS Start, Ended AS At, System, Actor, Destination, Attributes, ReceivedAt,
            SegmentId, sipHash64(Trace, Span, Stream) AS Node
        FROM resolving_spans_in
        WHERE (Step != '' OR Kind IN ('Server', 'Consumer'))
            AND Trace IN (SELECT Trace FROM resolving_traces_in WHERE Target = 1)
        UNION ALL
        SELECT
            Trace, TraceId, Span, '' AS LinkedAs, EventId, 0 AS IsSpan, Kept, Stream, KeyStream, KeyCase, Rule, Step,
            '' AS Name, EventName, Seq, Start, At, System, Actor, '' AS Destination, Attributes, ReceivedAt, SegmentId,
            sipHash64(Trace, Span, Stream) AS Node
        FROM resolving_events_in
        WHERE Kept = 1 OR Stream != '' OR Step != EventName OR Attributes['retail.step'] != ''
            OR has({events:Array(String)}, EventName)
    ) AS c
    LEFT JOIN (SELECT * FROM resolving_linked_in WHERE Hop = {hop:UInt8}) AS l ON l.Trace = c.Trace AND l.Span = c.LinkedAs
    LEFT JOIN (SELECT * FROM /*from*/ WHERE Case != '') AS u ON u.Id = c.Node
    LEFT JOIN known AS k ON k.Trace = c.Trace AND k.Wanted = c.Stream
    LEFT JOIN waits AS q ON q.Trace = c.Trace AND q.Span = c.LinkedAs
)
WHERE tupleElement(Found, 2) != '' AND (StepName != '' OR notEmpty(Waited))
