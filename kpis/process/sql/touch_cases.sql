-- Touchpoints a case: its steps by type of actor. Anything else than the three types is unknown. What is said of cases is
-- said of those with at least one known actor; the others are counted apart.
SELECT
    count() AS cases,
    countIf(NOT Told) AS excluded_cases,
    sumIf(Events, NOT Told) AS excluded_events,
    countIf(Told AND Humans = 0) AS touchless,
    countIf(Told AND Humans = 0 AND Unclear > 0) AS touchless_unsure,
    [sumIf(Humans, Told), sumIf(Machines, Told), sumIf(Agents, Told), sumIf(Unclear, Told)] AS events,
    [countIf(Told AND Humans > 0), countIf(Told AND Machines > 0), countIf(Told AND Agents > 0),
        countIf(Told AND Unclear > 0)] AS cases_with,
    arrayConcat([avgIf(Humans, Told)], quantilesExactInclusiveIf(0.5, 0.9)(Humans, Told)) AS human,
    arrayConcat([avgIf(Machines, Told)], quantilesExactInclusiveIf(0.5, 0.9)(Machines, Told)) AS system,
    arrayConcat([avgIf(Agents, Told)], quantilesExactInclusiveIf(0.5, 0.9)(Agents, Told)) AS agent,
    arrayConcat([avgIf(Unclear, Told)], quantilesExactInclusiveIf(0.5, 0.9)(Unclear, Told)) AS unknown
FROM
(
    SELECT
        Events,
        countEqual(Actors, 'human') AS Humans,
        countEqual(Actors, 'system') AS Machines,
        countEqual(Actors, 'agent') AS Agents,
        Events - Humans - Machines - Agents AS Unclear,
        Unclear < Events AS Told
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
)
