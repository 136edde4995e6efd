-- Marks as gone what a run that made all rows anew did not make: what is older than its beginning.
INSERT INTO /*table*/ (TenantId, Stream, CaseId, Subject, Version, Gone, Began)
SELECT TenantId, Stream, CaseId, Subject, {version:UInt64}, 1, Began
FROM /*table*/ FINAL
WHERE TenantId = {tenant:String} AND Version < {began:UInt64}
