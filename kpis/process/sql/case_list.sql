-- Cases in the order asked for, the largest first; cases without a value come last, equal ones by case id.
SELECT
    CaseId AS case_id, First AS first, Last AS last,
    greatest(Duration, 0) / 1e9 AS duration_s, Waiting / 1e9 AS waiting_s, Working / 1e9 AS working_s, Unknown / 1e9 AS unknown_s,
    Events AS events, Variant AS variant, Outcome AS outcome, LastStep AS last_step, Value AS value, Currency AS currency
FROM cases FINAL
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
ORDER BY
    if({order:String} = 'value', Value, NULL) DESC NULLS LAST,
    if({order:String} = 'duration', Duration, 0) DESC,
    if({order:String} = 'waiting', Waiting, 0) DESC,
    if({order:String} = 'last', toUnixTimestamp64Nano(Last), 0) DESC,
    CaseId
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
