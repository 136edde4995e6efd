-- How many cases these segments touched.
SELECT uniqExact(CaseId)
FROM case_changes
WHERE InsertedAt >= {since:DateTime64(3, 'UTC')} AND TenantId = {tenant:String} AND Stream = {stream:String}
    AND SegmentId IN {segments:Array(UInt64)}
