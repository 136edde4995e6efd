-- The streams that have cases: how many, how many have no end yet, and when the newest event was.
SELECT toString(Stream) AS stream, count() AS cases, countIf(Outcome = '') AS open_cases, max(Last) AS data_through
FROM cases FINAL
WHERE TenantId = {tenant:String}
GROUP BY stream
ORDER BY stream
