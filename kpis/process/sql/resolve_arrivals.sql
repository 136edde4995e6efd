-- The segments that brought spans and events since a time of insertion; the number grows while one becomes visible.
SELECT Signal, SegmentId, max(InsertedAt) AS inserted, sum(Items) AS items
FROM trace_arrivals
WHERE InsertedAt >= {since:DateTime64(3, 'UTC')} AND TenantId = {tenant:String}
GROUP BY Signal, SegmentId
