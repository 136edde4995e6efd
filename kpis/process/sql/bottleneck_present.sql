-- How many cases stood after some steps, hour by hour back from `now_ns` (0 is now), as changes to be added up; and who
-- took the next step how often ('' for nobody named), of the waits that were over at `cutoff_ns`.
SELECT
    toString(Step) AS step,
    sumMap(tupleElement(Changes, 1), tupleElement(Changes, 2)) AS changes,
    groupArray((toString(NextResource), Taken)) AS takers
FROM
(
    SELECT
        Step, NextResource,
        sumMapIf([Newest, Oldest + 1], [toInt64(1), toInt64(-1)], Newest <= Oldest) AS Changes,
        countIf(Stands = 0 AND Gone <= {cutoff_ns:Int64}) AS Taken
    FROM
    (
        SELECT
            Step, Stands, Gone, NextResource,
            toInt64(if(Stands = 1, 0, intDiv({now_ns:Int64} - Gone, 3600000000000) + 1)) AS Newest,
            least(intDiv({now_ns:Int64} - Entered, 3600000000000), {hours:Int64}) AS Oldest
        FROM (/*stays*/)
    )
    GROUP BY Step, NextResource
)
GROUP BY Step
