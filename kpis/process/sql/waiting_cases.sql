-- Open cases by the step they stand after. Events are named `stream/event` in the parameters, because the same event may
-- mean something else in another stream. A case is open without a terminal event up to now. Its value is the largest
-- amount of its value events, else its largest amount. Cases without an amount count under a currency of their step.
SELECT
    CaseStream AS stream,
    LastStep AS step,
    any(LastEvent) AS event_name,
    if(CaseCurrency = '', StepCurrency, CaseCurrency) AS currency,
    count() AS cases,
    sum(coalesce(CaseValue, 0)) AS value,
    countIf(CaseValue IS NULL) AS unpriced,
    min(Since) AS oldest_since,
    quantileExactInclusive(0.5)(({now_ns:Int64} - toUnixTimestamp64Nano(Since)) / 1e9) AS median_wait_s
FROM
(
    SELECT
        CaseStream,
        Latest.1 AS LastStep,
        Latest.2 AS LastEvent,
        Since,
        coalesce(NamedValue, LargestValue) AS CaseValue,
        CaseCurrency,
        max(CaseCurrency) OVER (PARTITION BY CaseStream, LastStep) AS StepCurrency
    FROM
    (
        SELECT
            toString(Stream) AS CaseStream,
            argMax((toString(Step), toString(EventName)), (Timestamp, Seq, EventId)) AS Latest,
            max(Timestamp) AS Since,
            maxIf(Amount, has({value:Array(String)}, concat(Stream, '/', EventName))) AS NamedValue,
            max(Amount) AS LargestValue,
            max(if(Amount IS NULL, '', toString(Currency))) AS CaseCurrency
        FROM process_events FINAL
        WHERE TenantId = {tenant:String}
            AND has({streams:Array(String)}, Stream)
            AND NOT has({details:Array(String)}, concat(Stream, '/', EventName))
            AND Timestamp <= fromUnixTimestamp64Nano({now_ns:Int64})
        GROUP BY Stream, CaseId
        HAVING countIf(has({terminal:Array(String)}, concat(Stream, '/', EventName))
                OR has({terminal:Array(String)}, concat(Stream, '/', Step))) = 0
    )
    WHERE NOT has({running:Array(String)}, concat(CaseStream, '/', LastEvent))
        AND NOT has({running:Array(String)}, concat(CaseStream, '/', LastStep))
)
GROUP BY stream, step, currency
ORDER BY value DESC, cases DESC, stream, step, currency
