-- Distinct sequences of steps and how many cases follow each. Order within a case: start where known, else timestamp;
-- then timestamp, sequence number, event id.
SELECT
    Steps AS activities,
    count() AS cases
FROM
(
    SELECT
        CaseId,
        arrayMap(e -> e.5, arraySort(groupArray(
            (coalesce(StartTime, Timestamp), Timestamp, Seq, EventId, toString(Step))))) AS Steps
    FROM process_events FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND NOT has({details:Array(String)}, EventName)
    GROUP BY CaseId
)
GROUP BY Steps
ORDER BY cases DESC, activities
