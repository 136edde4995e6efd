-- The segments that brought events of a tenant since a time of insertion, and how many cases they touched: the number
-- grows while a segment becomes visible piece by piece.
SELECT SegmentId, max(InsertedAt) AS inserted, count() AS cases
FROM /*notes*/
WHERE InsertedAt >= {since:DateTime64(3, 'UTC')} AND TenantId = {tenant:String}
GROUP BY SegmentId
