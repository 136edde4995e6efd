-- One node for each span and each stream that something in its trace looks for ('': any). A span that has a case of that
-- stream is where the climb ends; every other points to its parent.
INSERT INTO resolving_climb_a_in (Id, Next, Done, Stream, Case)
WITH own AS
(
    SELECT Trace, Span, KeyStream AS Stream, KeyCase AS Case FROM resolving_spans_in WHERE Rule != ''
    UNION ALL
    SELECT Trace, Span, Stream, Case FROM resolving_linked_in WHERE Hop = {hop:UInt8}
)
SELECT
    sipHash64(s.Trace, s.Span, w.Wanted),
    if(o.Case != '' AND w.Wanted IN ('', o.Stream) OR s.Parent = '', 0, sipHash64(s.Trace, s.Parent, w.Wanted)),
    o.Case != '' AND w.Wanted IN ('', o.Stream) OR s.Parent = '',
    if(w.Wanted IN ('', o.Stream), o.Stream, ''),
    if(w.Wanted IN ('', o.Stream), o.Case, '')
FROM (SELECT Trace, Span, Parent FROM resolving_spans_in WHERE Trace IN (SELECT Trace FROM own)) AS s
INNER JOIN
(
    SELECT Trace, Wanted
    FROM
    (
        SELECT Trace, Stream AS Wanted FROM resolving_spans_in WHERE Rule = ''
        UNION DISTINCT
        SELECT Trace, Stream AS Wanted FROM resolving_events_in WHERE Rule = ''
        UNION DISTINCT
        SELECT arrayJoin(arraySlice(LinkTraces, 1, {links:UInt32})) AS Trace, Stream AS Wanted
        FROM resolving_spans_in
        WHERE Rule = ''
    )
    ORDER BY Trace, Wanted
    LIMIT {streams_of_a_trace:UInt32} BY Trace
) AS w ON w.Trace = s.Trace
LEFT JOIN own AS o ON o.Trace = s.Trace AND o.Span = s.Span
