-- The most frequent steps of the cases that are short enough.
SELECT toString(Step) AS step, count() AS occurrences, count() OVER () AS all_steps
FROM cases FINAL
ARRAY JOIN Steps AS Step
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND Events <= {longest:UInt32} AND /*filter*/
GROUP BY step
ORDER BY occurrences DESC, step
LIMIT {steps:UInt32}
