-- Transitions between the steps of a case by whether the holder changes; `unknown`: one of the two has none.
SELECT
    count() AS cases,
    sum(Events - 1) AS transitions,
    sum(Passed) AS handovers,
    sum(Unclear) AS unknown,
    countIf(Passed > 0) AS handover_cases
FROM
(
    SELECT
        Events,
        multiIf({by:String} = 'system', Systems, {by:String} = 'resource', Resources, Actors) AS Holders,
        arrayCount((a, b) -> a != b AND a != '' AND b != '', arrayPopBack(Holders), arrayPopFront(Holders)) AS Passed,
        arrayCount((a, b) -> a = '' OR b = '', arrayPopBack(Holders), arrayPopFront(Holders)) AS Unclear
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
)
