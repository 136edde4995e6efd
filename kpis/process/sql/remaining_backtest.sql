-- What was predicted for the cases open at a past moment, against what is known at `through_ns`. Timed are those that have
-- closed since; judged those whose promise has passed since, kept or not: to count also what was kept before its time would
-- count the quick ones twice as often. Shown is what was made of `p_late` then. Sums, so that moments add up; those by `known_at`
-- tell at which of the later moments the promise had passed first.
SELECT
    count() AS open_cases,
    countIf(kind = 0) AS without_history,
    countIf(kind > 0 AND overdue) AS overdue_cases,
    countIf(timed) AS timed_cases,
    sumIf(abs(remaining_s - took_s), timed) AS error_s,
    sumIf(abs(step_s - took_s), timed) AS step_error_s,
    sumIf(abs(stream_s - took_s), timed) AS stream_error_s,
    countIf(timed AND took_s <= remaining_p90_s) AS within_p90,
    countIf(judged) AS judged_cases,
    countIf(judged AND late) AS late_cases,
    sumIf(pow(shown - late, 2), judged) AS square_error,
    sumIf(pow(p_late - late, 2), judged) AS plain_square_error,
    countIf(judged AND late != ((promise_ns - {now_ns:Int64}) / 1e9 < step_s)) AS step_square_error,
    sumMapIf(map(bin, toUInt64(1)), judged) AS bin_count,
    sumMapIf(map(bin, shown), judged) AS bin_predicted,
    sumMapIf(map(bin, toUInt64(late)), judged) AS bin_late,
    sumMapIf(map(known_at, toUInt64(1)), judged) AS known_n,
    sumMapIf(map(known_at, p_late), judged) AS known_p,
    sumMapIf(map(known_at, p_late * p_late), judged) AS known_pp,
    sumMapIf(map(known_at, toUInt64(late)), judged) AS known_late,
    sumMapIf(map(known_at, p_late * late), judged) AS known_p_late
FROM
(
    SELECT
        R.*,
        C.ClosedNs > 0 AND C.ClosedNs <= {through_ns:Int64} AS ended,
        if(promised, C.KeptNs, C.ClosedNs) AS met_ns,
        met_ns > 0 AND met_ns <= {through_ns:Int64} AS met,
        (C.ClosedNs - {now_ns:Int64}) / 1e9 AS took_s,
        kind > 0 AND ended AS timed,
        kind > 0 AND NOT overdue AND ifNull(promise_ns <= {through_ns:Int64}, 0) AS judged,
        ifNull(NOT met OR met_ns > promise_ns, 0) AS late,
        if(isFinite(plain_stream_s), plain_stream_s, 0) AS stream_s,
        if(isFinite(plain_step_s) AND plain_step_s > 0, plain_step_s, stream_s) AS step_s,
        least(greatest({slope:Float64} * p_late + {intercept:Float64}, 0), 1) AS shown,
        toUInt8(least(floor(shown * 10), 9)) AS bin,
        toUInt8(arrayCount(m -> m < ifNull(promise_ns, 0), {later:Array(Int64)})) AS known_at
    FROM (/*remaining*/) AS R
    INNER JOIN
    (
        SELECT
            CaseId,
            if(ClosedAt IS NULL, 0, toUnixTimestamp64Nano(assumeNotNull(ClosedAt))) AS ClosedNs,
            arrayFilter((e, n, s) -> has({keeping:Array(String)}, n) OR has({keeping:Array(String)}, s),
                Ends, EventNames, Steps)[1] AS KeptNs
        FROM cases FINAL
        WHERE TenantId = {tenant:String} AND Stream = {stream:String}
    ) AS C ON R.case_id = C.CaseId
)
