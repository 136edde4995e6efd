-- For every case that is open at `now_ns`: how long comparable past cases still took after they had waited as long.
--
-- A visit is a stay after a step: `Gap` until the next event, `Rest` until the case closed; of a case that is still open
-- both end now and `Seen` is 0. A visit counts three times: under the steps up to there (Kind 1), under the step (2), and
-- the case as a whole (3, Gap = Rest = its age). Comparable are the visits of the same kind and key whose gap is longer
-- than the wait so far. So that a case need not be compared with thousands, the visits of a key are kept in levels: level
-- L has the 1/2^L longest gaps, of which up to `sample` are kept, evenly spread. A case uses the highest level that
-- contains all visits comparable to it.
--
-- Times in nanoseconds until the last SELECT, which gives seconds.
WITH
    Open AS
    (
        SELECT
            CaseId, Value, Currency, Opened,
            E[-1].1 AS Since, E[-1].3 AS Step, E[-1].4 AS Event,
            arraySum(arrayMap((s, i) -> cityHash64(s, i), E.3, arrayEnumerate(E))) AS Prefix
        FROM (/*open*/)
        WHERE Closed = 0 AND notEmpty(E)
            AND NOT has({running:Array(String)}, Event) AND NOT has({running:Array(String)}, Step)
    ),
    Visits AS
    (
        SELECT V.1 AS Kind, V.2 AS Key, V.4 AS Gap, V.5 AS Rest, V.6 AS Moved, V.3 - Opened AS Age, Closed > 0 AS Seen, cityHash64(CaseId) AS Tie
        FROM
        (
            SELECT
                CaseId, Closed, Opened,
                if(Closed > 0, Closed, {now_ns:Int64}) AS Until,
                arraySlice(E, 1, {visits:UInt32}) AS Early,
                Early.1 AS At,
                arrayMap((a, b) -> b - a, At,
                    arrayPushBack(arrayPopFront(At), if(length(E) > length(Early), E[length(Early) + 1].1, Until))) AS Gaps,
                arrayMap(i -> i < length(E) OR Closed > 0, arrayEnumerate(At)) AS Moves,
                arrayCumSum(arrayMap((s, i) -> cityHash64(s, i), Early.3, arrayEnumerate(At))) AS Prefixes,
                arrayConcat(
                    [(toUInt8(3), toUInt64(0), Opened, Until - Opened, Until - Opened, toUInt8(Closed > 0))],
                    arrayMap((s, a, g, m) -> (toUInt8(2), cityHash64(s), a, g, Until - a, toUInt8(m)), Early.3, At, Gaps, Moves),
                    arrayMap((p, a, g, m) -> (toUInt8(1), toUInt64(p), a, g, Until - a, toUInt8(m)), Prefixes, At, Gaps, Moves)
                ) AS List
            FROM (/*history*/)
            WHERE notEmpty(E) AND ({censored:UInt8} = 1 OR Closed > 0)
        )
        ARRAY JOIN arrayFilter(v -> v.3 >= {from_ns:Int64} AND v.4 > 0 AND v.5 > 0, List) AS V
    ),
    Groups AS
    (
        SELECT
            Kind, Key,
            count() AS Size,
            arrayReverseSort(groupArray((Gap, Tie, Rest, Seen, Age))) AS Longest,
            countIf(Moved) AS Left,
            quantileExactInclusiveIf(0.5)(Gap, Moved) AS UsualGap,
            sumIf(Rest / 1e9 * (Gap / 1e9) - pow(Gap / 1e9, 2) / 2, Seen) / sumIf(Gap / 1e9, Seen) AS Plain
        FROM Visits
        GROUP BY Kind, Key
    ),
    Levels AS
    (
        SELECT
            Kind, Key, Level,
            if(Level = 0, 0, min(V.1)) AS Least,
            groupArray(V.3 * 2 + 1 - V.4) AS Rests, groupArray(V.1) AS Gaps, groupArray(V.5) AS Ages,
            any(Left) AS Left, any(UsualGap) AS UsualGap, any(Plain) AS Plain
        FROM
        (
            SELECT
                Kind, Key, Left, UsualGap, Plain, V,
                arrayFilter(
                    l -> Place <= bitShiftRight(Size, l) AND (bitShiftRight(Size, l) <= {sample:UInt32}
                        OR intDivOrZero(Place * {sample:UInt32}, bitShiftRight(Size, l))
                            != intDivOrZero((Place - 1) * {sample:UInt32}, bitShiftRight(Size, l))),
                    range(0, toUInt8(log2(Size / Place)) + 2)) AS In
            FROM Groups
            ARRAY JOIN Longest AS V, arrayEnumerate(Longest) AS Place
        )
        ARRAY JOIN In AS Level
        GROUP BY Kind, Key, Level
        ORDER BY Kind, Key, Least, Level DESC
        LIMIT 1 BY Kind, Key, Least
    ),
    Compared AS
    (
        SELECT
            CaseId,
            any(O.Value) AS Value, any(O.Currency) AS Currency, any(O.Opened) AS Opened, any(O.Since) AS Since, any(O.Step) AS Step,
            argMinIf((Kind, Waited, Alike), Kind, length(Away) >= {least:Array(UInt32)}[Kind]) AS Best,
            anyIf(UsualGap, Kind = 2) AS UsualGap, anyIf(Left, Kind = 2) AS Left,
            anyIf(Plain, Kind = 2) AS PlainStep, anyIf(Plain, Kind = 3) AS PlainStream
        FROM
        (
            SELECT O.*, L.UsualGap, L.Left, L.Plain,
                arrayFilter((r, g) -> g > O.Waited, L.Rests, L.Gaps) AS Longer,
                arrayFilter((d, g) -> g > O.Waited, arrayMap(a -> abs(a - O.Age), L.Ages), L.Gaps) AS Away,
                least(length(Away), greatest({nearest:UInt64}, toUInt64(ceil(length(Away) * {near:Float64})))) AS Wanted,
                arraySort(Away)[Wanted] AS Far,
                arraySort(arrayFilter((r, d) -> d <= Far, Longer, Away)) AS Alike
            FROM
            (
                SELECT *, Look.1 AS Kind, Look.2 AS Key, Look.3 AS Waited, Look.4 AS Age
                FROM Open
                ARRAY JOIN [
                    (toUInt8(1), toUInt64(Prefix), {now_ns:Int64} - Since, Since - Opened),
                    (toUInt8(2), cityHash64(Step), {now_ns:Int64} - Since, Since - Opened),
                    (toUInt8(3), toUInt64(0), {now_ns:Int64} - Opened, toInt64(0))] AS Look
            ) AS O
            ASOF LEFT JOIN Levels AS L ON O.Kind = L.Kind AND O.Key = L.Key AND O.Waited >= L.Least
        ) AS O
        GROUP BY CaseId
    ),
    Promised AS
    (
        SELECT
            C.*,
            parseDateTime64BestEffortOrNull(P.Promise, 9, 'UTC') AS Named,
            coalesce(toUnixTimestamp64Nano(Named), if({usual_ns:Int64} < 0, NULL, Opened + {usual_ns:Int64})) AS PromiseNs,
            arrayMap(r -> intDiv(r, 2) - Best.2, Best.3) AS Ends,
            length(Ends) AS N,
            arrayMap(x -> exp(x), arrayCumSum(arrayMap(
                (r, i) -> if(r % 2 = 1, 0., log(greatest(1 - 1 / (N - i + 1), 1e-30))),
                Best.3, arrayEnumerate(Ends)))) AS Survival,
            1 - Survival[-1] AS Ending,
            Ending >= 0.5 - 1e-9 OR Ending < 1e-9 AS Half,
            arrayCount(r -> r <= PromiseNs - {now_ns:Int64}, Ends) AS InTime
        FROM Compared AS C
        LEFT JOIN (/*promises*/) AS P ON C.CaseId = P.CaseId
    )
SELECT
    CaseId AS case_id,
    Step AS step,
    Since AS since_ns,
    Value AS value,
    Currency AS currency,
    PromiseNs AS promise_ns,
    isNotNull(Named) AS promised,
    ifNull(PromiseNs < {now_ns:Int64}, 0) AS overdue,
    Best.1 AS kind,
    length(Ends) AS used,
    least({horizon_ns:Int64},
        if(Ending < 1e-9, Ends[-1],
        arrayFirst((r, s) -> s <= if(Half, 0.5, 1 - Ending * 0.5) + 1e-9, Ends, Survival))) / 1e9 AS remaining_s,
    least({horizon_ns:Int64}, if(Half AND Ending < 0.9 - 1e-9, Ends[-1],
        arrayFirst((r, s) -> s <= if(Half, 0.1, 1 - Ending * 0.9) + 1e-9, Ends, Survival))) / 1e9 AS remaining_p90_s,
    multiIf(
        overdue, 1,
        PromiseNs IS NULL OR kind = 0, 0,
        InTime = 0, 1,
        round(Survival[InTime], 9)) AS p_late,
    Left AS usual_n,
    UsualGap / 1e9 AS usual_gap_s,
    PlainStep AS plain_step_s,
    PlainStream AS plain_stream_s
FROM Promised
