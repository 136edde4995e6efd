-- The promise of each case that is asked about, as its row has it.
SELECT CaseId, Attributes[{promise:String}] AS Promise
FROM cases FINAL
PREWHERE /*selection*/
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND Attributes[{promise:String}] != ''
