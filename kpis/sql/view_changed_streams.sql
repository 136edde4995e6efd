-- The streams that these segments brought events of.
SELECT DISTINCT Stream
FROM /*notes*/
WHERE InsertedAt >= {since:DateTime64(3, 'UTC')} AND TenantId = {tenant:String} AND SegmentId IN {segments:Array(UInt64)}
ORDER BY Stream
