-- What the intervals of KPIs are made of: for each measure and period the sums of its cases, and of their squares and products.
-- A case counts once however many subjects (lines, intervals) it has, because those are not independent of each other. Daily:
-- of measures that only count, days (of 24 hours from the period's start) are in the place of cases. Cells: for each measure its
-- periods, as number, first second, and the second after the last.
SELECT
    M, P,
    sum(Counted) AS Subjects, sum(LeftOut) AS LeftOut, sum(Open) AS Open,
    countIf(Counted > 0) AS Units,
    sum(X) AS X1, sum(X * X) AS X2,
    sum(Y) AS Y1, sum(Y * Y) AS Y2, sum(X * Y) AS XY,
    sum(Counted * Counted) AS C2, sum(X * Counted) AS XC,
    countIf(Counted = 1 AND Y = 1 AND X IN (0, 1)) AS Bits,
    countIf(Counted = 1) AS Singles
FROM
(
    SELECT
        F.1 AS M, C.1 AS P,
        if({daily:UInt8}, toUInt64(intDiv(F.2 - C.2, 86400)), Case) AS Unit,
        toFloat64(countIf(F.3 = 1)) AS Counted,
        countIf(F.3 >= 10) AS LeftOut,
        countIf(F.3 = 2) AS Open,
        sumIf(F.4, F.3 = 1) / 1000000 AS X,
        sumIf(F.5, F.3 = 1) / 1000000 AS Y
    FROM
    (
        SELECT cityHash64(Stream, CaseId) AS Case, arrayFilter(f -> f.2 >= {low:Int64} AND f.2 < {high:Int64}, /*facts*/) AS Facts
        FROM /*table*/ FINAL
        WHERE TenantId = {tenant:String} AND /*selection*/
    )
    ARRAY JOIN Facts AS F
    ARRAY JOIN arrayFilter(c -> F.2 >= c.2 AND F.2 < c.3, {cells:Array(Array(Tuple(UInt8, Int64, Int64)))}[F.1 + 1]) AS C
    GROUP BY M, P, Unit
)
GROUP BY M, P
ORDER BY M, P
