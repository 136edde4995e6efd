-- Which spans are inside another of the same step: one node for each span of a trace and each step that several of its
-- spans are occurrences of, with no event to say how often. Such a span is where a climb ends; every other span points to
-- its parent.
INSERT INTO resolving_climb_a_in (Id, Next, Done, Stream, Case)
WITH several AS
(
    SELECT Trace, Stream, Case, Step, groupUniqArray(Span) AS Spans
    FROM
    (
        SELECT Trace, Stream, Case, Step, Span, Asks, IsSpan,
            minIf(Asks, IsSpan = 1) OVER ofStep AS NoneWorks, countIf(IsSpan = 0) OVER ofStep AS EventsOfStep
        FROM
        (
            SELECT Trace, Stream, Case, Step, Span, IsSpan,
                IsSpan = 1 AND (Trace, Span) IN (
                    SELECT Trace, Span FROM resolving_spans_in WHERE Kind IN ('Client', 'Producer')) AS Asks
            FROM resolving_found_in
            WHERE Step != '' AND (NOT has({by_event:Array(String)}, Step) OR has({step_names:Array(String)}, Step))
        )
        WINDOW ofStep AS (PARTITION BY Trace, Stream, Case, Step)
    )
    WHERE IsSpan = 1 AND EventsOfStep = 0 AND Asks = NoneWorks
    GROUP BY Trace, Stream, Case, Step
    HAVING length(Spans) > 1
    ORDER BY Trace, length(Spans) DESC, Stream, Case, Step
    LIMIT {steps_of_a_trace:UInt32} BY Trace
)
SELECT
    sipHash64(s.Trace, s.Span, g.Stream, g.Case, g.Step),
    if(o.Own = 1 OR s.Parent = '', 0, sipHash64(s.Trace, s.Parent, g.Stream, g.Case, g.Step)),
    o.Own = 1 OR s.Parent = '',
    '',
    if(o.Own = 1, g.Case, '')
FROM (SELECT Trace, Span, Parent FROM resolving_spans_in WHERE Trace IN (SELECT Trace FROM several)) AS s
INNER JOIN (SELECT Trace, Stream, Case, Step FROM several) AS g ON g.Trace = s.Trace
LEFT JOIN (SELECT Trace, Stream, Case, Step, arrayJoin(Spans) AS Span, 1 AS Own FROM several) AS o
    ON o.Trace = g.Trace AND o.Stream = g.Stream AND o.Case = g.Case AND o.Step = g.Step AND o.Span = s.Span
