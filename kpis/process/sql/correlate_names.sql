-- What the cases that waited lately at some places had to do with meanwhile: the edges, queues and operations of their
-- own spans between the step and the next one.
SELECT
    Place AS place,
    Kind AS kind,
    Service AS system,
    Operation AS operation,
    Edge AS edge,
    Queue AS queue,
    uniqExact(CaseId) AS cases
FROM
(
    SELECT
        concat(toString(Stream), '/', CaseId) AS SpanCase,
        toUnixTimestamp64Nano(Timestamp) AS At,
        toString(SpanKind) AS Kind,
        toString(ServiceName) AS Service,
        toString(SpanName) AS Operation,
        toString(SpanAttributes['retail.edge']) AS Edge,
        toString(SpanAttributes['messaging.destination.name']) AS Queue
    FROM otel_traces
    WHERE TenantId = {tenant:String}
        AND SpanKind IN ('Client', 'Producer', 'Server')
        AND Timestamp >= fromUnixTimestamp64Nano({lately_ns:Int64})
        AND Timestamp <= fromUnixTimestamp64Nano({now_ns:Int64})
        AND has({streams:Array(String)}, Stream)
) AS Spans
INNER JOIN
(
    SELECT Place, concat(CaseStream, '/', CaseId) AS WaitingCase, CaseId, Entered,
        if(Stands, {now_ns:Int64}, Gone) AS Until
    FROM (/*stays*/)
    WHERE has({places:Array(String)}, Place) AND Until >= {lately_ns:Int64}
) AS Waits ON Spans.SpanCase = Waits.WaitingCase
WHERE At >= Entered - 1000000000 AND At <= Until
GROUP BY place, kind, system, operation, edge, queue
