-- The traces whose spans link to a span of those found in the step before: their cases may rest on it.
INSERT INTO resolving_traces_in (Trace, Target, Hop)
SELECT FromTrace, 1, {hop:UInt8}
FROM trace_links
WHERE TenantId = {tenant:String}
    AND ToTrace IN (SELECT Trace FROM resolving_traces_in WHERE Target = 1 AND Hop = {hop:UInt8} - 1)
    AND FromTrace NOT IN (SELECT Trace FROM resolving_traces_in)
GROUP BY FromTrace
ORDER BY max(Start) DESC, FromTrace
LIMIT {most:UInt32}
