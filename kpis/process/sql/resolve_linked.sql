-- The case of a span's first link that has one, by what was found so far.
INSERT INTO resolving_linked_in (Hop, Trace, Span, Stream, Case)
SELECT {hop:UInt8}, Trace, Span, argMin(FoundStream, Place), argMin(FoundCase, Place)
FROM
(
    SELECT s.Trace AS Trace, s.Span AS Span, s.Place AS Place, u.Stream AS FoundStream, u.Case AS FoundCase
    FROM
    (
        SELECT Trace, Span, Place, sipHash64(LinkTrace, LinkSpan, Stream) AS Node
        FROM resolving_spans_in
        ARRAY JOIN
            arraySlice(LinkTraces, 1, {links:UInt32}) AS LinkTrace,
            arraySlice(LinkSpans, 1, {links:UInt32}) AS LinkSpan,
            arrayEnumerate(arraySlice(LinkTraces, 1, {links:UInt32})) AS Place
        WHERE Rule = ''
    ) AS s
    INNER JOIN (SELECT Id, Stream, Case FROM /*from*/ WHERE Case != '') AS u ON u.Id = s.Node
)
GROUP BY Trace, Span
