-- Parts that were put aside, by table and reason.
SELECT table, coalesce(reason, '') AS Reason, count() AS Parts
FROM system.detached_parts
WHERE database = {database:String}
GROUP BY table, Reason
ORDER BY table, Reason
