-- How many cases stood after some steps at each full hour back from `now_ns` (0 is now).
SELECT stream, step, groupArray((Back, Cases)) AS present
FROM
(
    SELECT CaseStream AS stream, Step AS step, Back, count() AS Cases
    FROM
    (
        SELECT
            CaseStream, Step,
            if(Stands, 0, intDiv({now_ns:Int64} - Gone, 3600000000000) + 1) AS Newest,
            intDiv({now_ns:Int64} - Entered, 3600000000000) AS Oldest
        FROM (/*stays*/)
        WHERE has({places:Array(String)}, Place)
    )
    ARRAY JOIN range(toInt64(Newest), toInt64(least(Oldest, {hours:UInt32})) + 1) AS Back
    GROUP BY stream, step, Back
)
GROUP BY stream, step
