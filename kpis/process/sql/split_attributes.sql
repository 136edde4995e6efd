-- What the attributes of the cases are like: in how many cases, how many values, how many of them numbers, quartiles.
SELECT
    name,
    count() AS cases,
    uniqExact(value) AS values,
    countIf(IsNumber) AS numbers,
    countIf(isNotNull(toInt64OrNull(value))) AS integers,
    quantilesExactInclusiveIf(0.25, 0.5, 0.75)(ifNull(toFloat64OrNull(value), 0), IsNumber) AS quartiles
FROM
(
    SELECT Attributes
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String}
        AND (Outcome != '' OR {closed_only:UInt8} = 0) AND /*filter*/
)
ARRAY JOIN mapKeys(Attributes) AS name, mapValues(Attributes) AS value
WHERE value != '' AND (ifNull(isFinite(toFloat64OrNull(value)), 0) AS IsNumber) >= 0
GROUP BY name
ORDER BY name
