-- The attributes of the cases that the filter lets through: in how many of them, and about how many values.
SELECT name, count() AS cases, uniq(value) AS values
FROM
(
    SELECT Attributes
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
)
ARRAY JOIN mapKeys(Attributes) AS name, mapValues(Attributes) AS value
WHERE value != ''
GROUP BY name
ORDER BY cases DESC, name
