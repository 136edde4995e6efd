-- Unfinished mutations, the oldest first.
SELECT
    table AS Table,
    mutation_id AS Id,
    latest_fail_reason AS Reason,
    greatest(0, dateDiff('second', create_time, now())) AS Seconds
FROM system.mutations
WHERE database = {database:String} AND NOT is_done
ORDER BY create_time
