-- The streams that these segments brought events of.
SELECT DISTINCT Stream
FROM case_changes
WHERE InsertedAt >= {since:DateTime64(3, 'UTC')} AND TenantId = {tenant:String} AND SegmentId IN {segments:Array(UInt64)}
ORDER BY Stream
