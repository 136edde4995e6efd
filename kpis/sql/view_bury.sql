-- Marks as gone what the selected cases had before and have no longer.
INSERT INTO /*table*/ (TenantId, Stream, CaseId, Subject, Version, Gone, Began)
SELECT TenantId, Stream, CaseId, Subject, {version:UInt64}, 1, Began
FROM /*table*/ FINAL
WHERE TenantId = {tenant:String} AND Stream IN {streams:Array(String)} AND Version < {version:UInt64} AND /*selection*/
