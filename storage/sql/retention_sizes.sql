-- Bytes on disk and parts of every partition of this database.
SELECT table, partition_id, sum(bytes_on_disk) AS Bytes, count() AS Parts
FROM system.parts
WHERE active AND database = {database:String}
GROUP BY table, partition_id
