-- Marks as gone what the selected cases had before and have no longer.
INSERT INTO /*table*/ (TenantId, Stream, CaseId, Subject, Version, Gone, Began)
SELECT {tenant:String}, Stream, CaseId, Subject, {version:UInt64}, 1, argMax(Began, Version)
FROM /*table*/
WHERE TenantId = {tenant:String} AND Stream IN {streams:Array(String)} AND /*selection*/
GROUP BY Stream, CaseId, Subject
HAVING max(Version) < {version:UInt64} AND argMax(Gone, Version) = 0
