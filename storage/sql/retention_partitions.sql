-- The partitions of one table with their bounds and rows. Answered from the parts' metadata: no granule is read.
SELECT
    _partition_id,
    _partition_value.1 AS Tenant,
    _partition_value.2 AS Bucket,
    count() AS Rows,
    min({time:Identifier}) AS Oldest,
    max({time:Identifier}) AS Newest
FROM {table:Identifier}
WHERE {all:UInt8} OR TenantId = {tenant:String}
GROUP BY _partition_id, Tenant, Bucket
ORDER BY Bucket, Tenant
