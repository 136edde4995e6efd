-- The rows that stand of the selected cases (`Side` -1), and those that were made for them (1).
(
    SELECT *, toInt8(-1) AS Side, (Stream, CaseId, Subject) NOT IN (SELECT Stream, CaseId, Subject FROM /*made*/) AS Vanished
    FROM /*table*/ FINAL
    WHERE TenantId = {tenant:String} AND Stream IN {streams:Array(String)} AND /*selection*/
    UNION ALL
    SELECT *, toInt8(1) AS Side, toUInt8(0) AS Vanished FROM /*made*/
)
