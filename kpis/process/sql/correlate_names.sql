-- What the cases that waited lately after some steps had to do with meanwhile: the edges, queues and operations of their
-- own spans between the step and the next one.
SELECT
    StepName AS step,
    Kind AS kind,
    Service AS system,
    Operation AS operation,
    Edge AS edge,
    Queue AS queue,
    uniqExact(CaseNumber) AS cases
FROM
(
    SELECT
        CaseId AS SpanCase,
        toUnixTimestamp64Nano(Timestamp) AS At,
        toString(SpanKind) AS Kind,
        toString(ServiceName) AS Service,
        toString(SpanName) AS Operation,
        toString(SpanAttributes['retail.edge']) AS Edge,
        toString(SpanAttributes['messaging.destination.name']) AS Queue
    FROM otel_traces
    WHERE TenantId = {tenant:String}
        AND Stream = {stream:String}
        AND SpanKind IN ('Client', 'Producer', 'Server')
        AND Timestamp >= fromUnixTimestamp64Nano({lately_ns:Int64})
        AND Timestamp <= fromUnixTimestamp64Nano({now_ns:Int64})
) AS Spans
INNER JOIN
(
    SELECT toString(Step) AS StepName, CaseId AS WaitingCase, CaseNumber, Entered,
        if(Stands = 1, {now_ns:Int64}, Gone) AS Until
    FROM (/*stays*/)
    WHERE Until >= {lately_ns:Int64}
) AS Waits ON Spans.SpanCase = Waits.WaitingCase
WHERE At >= Entered - 1000000000 AND At <= Until
GROUP BY step, kind, system, operation, edge, queue
