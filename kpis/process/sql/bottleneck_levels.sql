-- How much unusual waiting stood after each step at each full hour back from `now_ns` (0 is now): seconds beyond the
-- usual p90, summed over the cases that stood there then. Hours without any are left out.
SELECT stream, step, groupArray((Back, Level)) AS levels
FROM
(
    SELECT
        CaseStream AS stream,
        Step AS step,
        Back,
        sum(({now_ns:Int64} - Back * 3600000000000 - Entered - Usual) / 1e9) AS Level
    FROM
    (
        SELECT
            CaseStream, Step, Entered,
            transform(Place, {places:Array(String)}, {limits:Array(Int64)}, toInt64(-1)) AS Usual,
            if(Stands, 0, intDiv({now_ns:Int64} - Gone, 3600000000000) + 1) AS Newest,
            intDiv({now_ns:Int64} - Entered - {cap_ns:Int64} + 3599999999999, 3600000000000) AS NotGivenUp,
            intDiv({now_ns:Int64} - Entered - Usual, 3600000000000) AS Oldest
        FROM (/*stays*/)
        WHERE Usual >= 0 AND {now_ns:Int64} - Entered > Usual
    )
    ARRAY JOIN range(toInt64(greatest(Newest, NotGivenUp, 0)), toInt64(least(Oldest, {hours:UInt32})) + 1) AS Back
    GROUP BY stream, step, Back
)
GROUP BY stream, step
