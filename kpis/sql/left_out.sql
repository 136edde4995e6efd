-- How many subjects of a period each measure leaves out, by reason. A measure's facts: see kpis/measures.py.
SELECT F.1 AS M, F.3 AS State, count() AS LeftOut
FROM
(
    SELECT arrayFilter(f -> f.3 >= {left_out:UInt8} AND f.2 >= {low:Int64} AND f.2 < {high:Int64}, /*facts*/) AS Some
    FROM /*table*/ FINAL
    WHERE TenantId = {tenant:String} AND (/*within*/)
)
ARRAY JOIN Some AS F
GROUP BY M, State
ORDER BY M, State
