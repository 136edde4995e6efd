-- The settings of every table that inserts go into, to see its deduplication window.
SELECT name, engine_full
FROM system.tables
WHERE database = {database:String} AND engine LIKE '%MergeTree' AND name != 'schema_migrations'
ORDER BY name
