-- Which events of the selected cases were received more than once, in whichever wording: their keys, and perhaps a few more.
SELECT /*key*/ AS Key
FROM /*source*/
WHERE TenantId = {tenant:String} AND Stream IN {streams:Array(String)} AND Timestamp >= {earliest:DateTime64(9)} AND /*selection*/
GROUP BY Key
HAVING count() > 1
