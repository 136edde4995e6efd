-- The traces that spans at hand link to and that are not at hand: looked into, not changed.
INSERT INTO resolving_traces_in (Trace, Target, Hop)
SELECT DISTINCT arrayJoin(arraySlice(LinkTraces, 1, {links:UInt32})) AS Other, 0, {hop:UInt8}
FROM resolving_spans_in
WHERE Rule = '' OR Kind = 'Consumer'
HAVING Other != '' AND Other NOT IN (SELECT Trace FROM resolving_traces_in)
LIMIT {most:UInt32}
