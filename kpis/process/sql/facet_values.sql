-- The most frequent values of some attributes, and in how many cases each is.
SELECT name, value, count() AS cases
FROM
(
    SELECT Attributes
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
)
ARRAY JOIN mapKeys(Attributes) AS name, mapValues(Attributes) AS value
WHERE has({names:Array(String)}, name) AND value != ''
GROUP BY name, value
ORDER BY name, cases DESC, value
LIMIT {top:UInt32} BY name
