-- What the facts of a period add up to, by state: counted, open, or left out for a reason.
SELECT DrillState AS State, count() AS Facts, sum(DrillN) AS N, sum(DrillD) AS D
FROM (/*cases*/)
WHERE NOT {narrowed:UInt8} OR DrillSplit = {value:String}
GROUP BY State
ORDER BY State
