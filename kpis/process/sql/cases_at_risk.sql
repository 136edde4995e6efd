-- The open cases by what is at stake: value (of several currencies: in median cases of its currency) x p_late.
SELECT
    *,
    ifNull(toFloat64(value), 0) / transform(toString(currency), {currencies:Array(String)}, {medians:Array(Float64)}, 1.)
        * p_late AS weight
FROM (/*remaining*/)
ORDER BY weight DESC, p_late DESC, since_ns, case_id
LIMIT {limit:UInt32}
