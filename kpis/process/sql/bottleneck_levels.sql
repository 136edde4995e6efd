-- Of the waits after each step, hour by hour back from `now_ns` (0 is now), and at this hour of the week before.
-- `changes`, by hours back, to be added up from 0 on: the cases that had stood there for longer than the usual p90, and
-- how much longer that would be by now (whole seconds, and nanoseconds). What had waited longer than `cap_ns` is left out.
-- `same_hour_cases` stood there one to four weeks ago at this moment (`weeks`), `same_hour_wait_s` is the median time that
-- they had waited; `gone_by_week`: how much of the clock has gone by since.
SELECT
    toString(Step) AS step,
    sumMapIf(
        [Newest, Oldest + 1], [toInt64(1), toInt64(-1)], [intDiv(Excess, 1000000000), -intDiv(Excess, 1000000000)],
        [Excess % 1000000000, -(Excess % 1000000000)], Late AND Newest <= Oldest) AS changes,
    sumForEach(StoodThen) AS same_hour_cases,
    quantileExactInclusiveArray(0.5)(SameHour) AS same_hour_wait_s
FROM
(
    SELECT
        Step,
        /*waited Entered {now_ns:Int64}*/ AS Waited,
        transform(Step, {places:Array(String)}, {limits:Array(Int64)}, toInt64(-1)) AS Usual,
        Waited - Usual AS Excess,
        Usual >= 0 AND Excess > 0 AS Late,
        greatest(
            if(Stands = 1, 0, intDiv({now_ns:Int64} - Gone, 3600000000000) + 1),
            intDiv({now_ns:Int64} - Entered - {cap_ns:Int64} + 3599999999999, 3600000000000), toInt64(0)) AS Newest,
        least(/*hours back Excess*/, {hours:Int64}) AS Oldest,
        arrayMap(
            moment -> toUInt64(Entered <= moment AND moment - Entered <= {cap_ns:Int64} AND (Stands = 1 OR Gone > moment)),
            {weeks:Array(Int64)}) AS StoodThen,
        arrayMap(
            gone -> greatest(Waited - gone, 0) / 1e9,
            arrayFilter((gone, stood) -> stood = 1, {gone_by_week:Array(Int64)}, StoodThen)) AS SameHour
    FROM (/*stays*/)
    WHERE Stands = 1 OR Gone > {oldest_ns:Int64}
)
WHERE Late OR notEmpty(SameHour)
GROUP BY Step
