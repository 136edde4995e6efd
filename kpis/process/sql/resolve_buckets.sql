-- Of which five minutes these segments brought items, and how many.
SELECT Bucket, sum(Items) AS items
FROM trace_arrivals
WHERE InsertedAt >= {since:DateTime64(3, 'UTC')} AND TenantId = {tenant:String} AND SegmentId IN {segments:Array(UInt64)}
GROUP BY Bucket
ORDER BY Bucket
