-- A sample of single transitions: those whose hash of case and place comes first, so the same data give the same lines.
SELECT
    CaseId AS case_id,
    fromUnixTimestamp64Nano(Began, 'UTC') AS began,
    fromUnixTimestamp64Nano(Began + Gap, 'UTC') AS ended,
    1 + (Gap > {q1:Float64}) + (Gap > {q2:Float64}) + (Gap > {q3:Float64}) AS class
FROM
(
    SELECT CaseId, Place, Began, Gap
    FROM
    (
        /*occurrences*/
    )
    ORDER BY cityHash64(CaseId, Place), CaseId, Place
    LIMIT {limit:UInt32}
)
ORDER BY Began, Began + Gap, CaseId, Place
