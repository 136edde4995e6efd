-- What was concluded before for the items at hand. An item that is not (its spans are gone, but not its step) stays as it is.
INSERT INTO resolving_before_in (Trace, EventId, Stream, Case, Timestamp, Content)
SELECT TraceId, EventId, Stream, CaseId, Timestamp, Content
FROM resolved_items FINAL
WHERE TenantId = {tenant:String} AND TraceId IN (SELECT Trace FROM resolving_traces_in WHERE Target = 1) AND CaseId != ''
    AND (TraceId, EventId) IN (
        SELECT Trace, concat('span ', Span) FROM resolving_spans_in UNION ALL SELECT Trace, EventId FROM resolving_events_in)
