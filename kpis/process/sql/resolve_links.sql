-- Notes which traces point to which, so that they are looked at again when the other one changes.
INSERT INTO trace_links (TenantId, ToTrace, FromTrace, Start)
SELECT {tenant:String}, Other, Trace, fromUnixTimestamp64Nano(min(Began))
FROM resolving_spans_in
ARRAY JOIN arraySlice(LinkTraces, 1, {links:UInt32}) AS Other
WHERE Other != '' AND Other != Trace
    AND (Other, Trace) NOT IN (
        SELECT ToTrace, FromTrace
        FROM trace_links
        WHERE TenantId = {tenant:String}
            AND ToTrace IN (SELECT arrayJoin(arraySlice(LinkTraces, 1, {links:UInt32})) FROM resolving_spans_in))
GROUP BY Other, Trace
