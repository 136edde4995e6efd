-- The condition that chooses the cases that these segments touched. In ranges, so that many are not looked through at once.
CaseId > {low:String} AND CaseId <= {high:String} AND (Stream, CaseId) IN
    (
        SELECT Stream, CaseId
        FROM /*notes*/
        WHERE InsertedAt >= {since:DateTime64(3, 'UTC')} AND TenantId = {tenant:String} AND Stream IN {streams:Array(String)}
            AND SegmentId IN {segments:Array(UInt64)} AND CaseId > {low:String} AND CaseId <= {high:String}
    )
