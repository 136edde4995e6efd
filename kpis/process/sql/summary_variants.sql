-- Distinct sequences of steps and how many cases follow each.
SELECT any(Steps) AS activities, count() AS cases
FROM cases FINAL
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
GROUP BY Variant
ORDER BY cases DESC, activities
