-- What the facts of the selected cases add up to, by measure and hour: two of these, from before and after their rows were
-- made anew, differ exactly in the hours that changed.
SELECT F.1 AS M, toUnixTimestamp(toStartOfHour(toDateTime(F.2, 'UTC'), {tz:String})) AS Hour, sum(cityHash64(CaseId, Subject, F)) AS Sum
FROM
(
    SELECT CaseId, Subject, /*facts*/ AS Facts
    FROM /*table*/ FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*selection*/
)
ARRAY JOIN Facts AS F
GROUP BY M, Hour
