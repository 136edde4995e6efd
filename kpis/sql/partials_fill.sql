-- All facts of a view, added up by measure and hour.
INSERT INTO kpi_partials (TenantId, Measure, Hour, Version, Numerator, Denominator, Counted, LeftOut, Open, Numbers)
SELECT {tenant:String}, {keys:Array(UInt64)}[M + 1], toDateTime(At, 'UTC'), {version:UInt64}, Numerator, Denominator, Counted, LeftOut, Open, Numbers
FROM
(
/*sums*/
)
