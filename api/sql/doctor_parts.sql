-- Parts by table, and the most that any partition of it has.
SELECT table AS Table, sum(PartsHere) AS Parts, max(PartsHere) AS MostParts, count() AS Partitions, sum(BytesHere) AS Bytes
FROM
(
    SELECT table, partition_id, count() AS PartsHere, sum(bytes_on_disk) AS BytesHere
    FROM system.parts
    WHERE active AND database = {database:String} AND table != 'schema_migrations'
    GROUP BY table, partition_id
)
GROUP BY table
ORDER BY Table
