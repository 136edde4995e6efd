-- Merges under way now.
SELECT count() AS Running, max(elapsed) AS Longest, sum(total_size_bytes_compressed) AS Bytes
FROM system.merges
WHERE database = {database:String}
