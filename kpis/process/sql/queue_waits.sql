-- Seconds from the end of the producer's span to the start of the consumer's, by destination and by the step that the
-- consumer works on. Negative ones are counted apart.
SELECT
    toString(Destination) AS destination,
    Work AS step,
    countIf(Wait >= 0) AS n,
    countIf(Wait < 0) AS skewed,
    quantilesExactInclusiveIf(0.5, 0.9, 0.95)(Wait / 1e9, Wait >= 0) AS spread,
    avgIf(Wait / 1e9, Wait >= 0) AS mean_s,
    sumIf(Wait / 1e9, Wait >= 0) AS sum_s
FROM
(
    SELECT
        Destination, if(Step != '', toString(Step), Attributes['retail.step']) AS Work, arrayJoin(QueueWaits) AS Wait
    FROM resolved_steps FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND notEmpty(QueueWaits)
        AND CaseId IN (
            SELECT CaseId FROM cases FINAL WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/)
)
GROUP BY destination, step
ORDER BY sum_s DESC, destination, step
