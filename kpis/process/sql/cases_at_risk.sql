-- The open cases by what is at stake: value (of several currencies: in median cases of its currency) x probability to be late,
-- which is the prediction after its correction; where there is none, the share of late cases stands in for the rank.
SELECT
    *,
    multiIf(
        overdue, 1,
        kind = 0 OR promise_ns IS NULL, {late_share:Float64},
        least(greatest({slope:Float64} * p_late + {intercept:Float64}, 0), 1)) AS shown,
    ifNull(toFloat64(value), 0) / transform(toString(currency), {currencies:Array(String)}, {medians:Array(Float64)}, 1.)
        * shown AS weight
FROM (/*remaining*/)
ORDER BY weight DESC, shown DESC, since_ns, case_id
LIMIT {limit:UInt32}
