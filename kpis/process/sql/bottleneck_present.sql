-- How many cases stood after some steps at each full hour back from `now_ns` (0 is now), and who took the next step how
-- often ('' for nobody named), of the waits that were over at `cutoff_ns`.
SELECT
    stream,
    step,
    groupArrayIf((Back, Cases), Back >= 0) AS present,
    sumMap(Takers) AS takers
FROM
(
    SELECT
        CaseStream AS stream,
        Step AS step,
        Back,
        count() AS Cases,
        sumMapIf(map(NextResource, toUInt64(1)), Back = -1 AND Stands = 0 AND Gone <= {cutoff_ns:Int64}) AS Takers
    FROM
    (
        SELECT
            CaseStream, Step, Stands, Gone, NextResource,
            if(Stands, 0, intDiv({now_ns:Int64} - Gone, 3600000000000) + 1) AS Newest,
            intDiv({now_ns:Int64} - Entered, 3600000000000) AS Oldest
        FROM (/*stays*/)
        WHERE has({places:Array(String)}, Place)
    )
    ARRAY JOIN arrayPushBack(range(toInt64(Newest), toInt64(least(Oldest, {hours:UInt32})) + 1), -1) AS Back
    GROUP BY stream, step, Back
)
GROUP BY stream, step
