-- One case with its newest steps; the arrays are cut here, so that a case of a million events costs no more than a short
-- one. `started`: whether the start of a step is known. Lengths in nanoseconds.
SELECT
    First AS first,
    Last AS last,
    Events AS total_steps,
    Outcome AS outcome,
    ClosedAt AS closed_at,
    Value AS value,
    Currency AS currency,
    Attributes AS attributes,
    Duration AS duration,
    Waiting AS waiting,
    Working AS working,
    Unknown AS unknown,
    ReceivedAt AS received_through,
    arrayZip(
        arraySlice(Steps, -{steps:Int32}), arraySlice(EventNames, -{steps:Int32}), arraySlice(Started, -{steps:Int32}),
        arraySlice(Starts, -{steps:Int32}), arraySlice(Ends, -{steps:Int32}), arraySlice(Waits, -{steps:Int32}),
        arraySlice(Works, -{steps:Int32}), arraySlice(Unknowns, -{steps:Int32}), arraySlice(Resources, -{steps:Int32}),
        arraySlice(Systems, -{steps:Int32}), arraySlice(Actors, -{steps:Int32}), arraySlice(Rules, -{steps:Int32})) AS steps
FROM cases FINAL
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND CaseId = {case_id:String}
