-- What came after each step, how often: the waits begun since `from_ns` that are over.
SELECT toString(Step) AS step, toString(NextStep) AS next_step, any(toString(NextName)) AS next_name, count() AS times
FROM (/*stays*/)
WHERE Stands = 0
GROUP BY step, next_step
ORDER BY step, times DESC, next_step
