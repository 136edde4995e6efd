-- Part of other statements: each case with its duration, its rank among all durations (equal ones share the mean), and
-- its traits as (kind, name, value). A number is told by its quarter, 1 to 4; the hour and weekday are of the first step.
SELECT
    Duration / 1e9 AS Seconds,
    Seconds > {threshold_s:Float64} AS Slow,
    rank() OVER (ORDER BY Duration) + (count() OVER (PARTITION BY Duration) - 1) / 2 AS Place,
    arrayConcat(
        arrayMap(
            (k, v) -> if(indexOf({numbers:Array(String)}, k) > 0,
                ('number', k, toString(1 + arrayCount(
                    q -> ifNull(toFloat64OrNull(v), 0) > q,
                    {quartiles:Array(Array(Float64))}[indexOf({numbers:Array(String)}, k)]))),
                ('attribute', k, v)),
            mapKeys(Kept), mapValues(Kept)),
        [('first step', '', toString(Steps[1]))],
        arrayMap(s -> ('system', '', toString(s)), arrayDistinct(arrayFilter(s -> s != '', Systems))),
        [('weekday', '', toString(toDayOfWeek(First, 0, {timezone:String}))),
         ('hour', '', leftPad(toString(toHour(First, {timezone:String})), 2, '0'))],
        arrayMap(s -> ('contains', '', toString(s)), arrayDistinct(Steps))) AS Traits
FROM
(
    SELECT
        Duration, Steps, Systems, First,
        mapFilter((k, v) -> v != '' AND NOT has({left_out:Array(String)}, k),
            CAST(Attributes, 'Map(String, String)')) AS Kept
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String}
        AND (Outcome != '' OR {closed_only:UInt8} = 0) AND /*filter*/
)
