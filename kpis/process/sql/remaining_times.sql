-- For every case that is open at `now_ns`: how long comparable past cases still took after they had waited as long.
--
-- A visit is a stay after a step: `Gap` until the next event, `Rest` until the case closed, `Due` until its promise was
-- kept; of a case that is still open they end now, and `Seen` is 0. A visit counts three times: under the steps up to
-- there (Kind 1), under the step (2), and the case as a whole (3, Gap = Rest = its age). Comparable are the visits of the
-- same kind and key whose gap is longer than the wait so far; of those, the nearest by the age of the case at the step.
--
-- So that a case need not be compared with thousands, the visits of a key are kept in levels: level L has the 1/2^L
-- longest gaps, of which up to `sample` are kept, evenly spread. A case uses the highest level that contains all visits
-- comparable to it. A rest in an array is twice the nanoseconds, plus 1 where the end was not seen: so it sorts as the
-- estimator wants it, ends before what was not seen to end. In `Dues` 0 means that the promise had been kept before.
WITH
    Open AS
    (
        SELECT
            K.CaseId AS CaseId, Value, Currency, Opened,
            E[-1].1 AS Since, E[-1].3 AS Step, E[-1].4 AS Event,
            arraySum(arrayMap((s, i) -> cityHash64(s, i), E.3, arrayEnumerate(E))) AS Prefix,
            if(Kept > 0, NULL, toUnixTimestamp64Nano(parseDateTime64BestEffortOrNull(P.Promise, 9, 'UTC'))) AS Named,
            coalesce(Named, if({usual_ns:Int64} < 0, NULL, Opened + {usual_ns:Int64})) AS Promised,
            Named IS NOT NULL AND {keeps:UInt8} = 1 AS ByDue
        FROM (/*open*/) AS K
        LEFT JOIN (/*promises*/) AS P ON K.CaseId = P.CaseId
        WHERE Closed = 0 AND notEmpty(E)
            AND NOT has({running:Array(String)}, Event) AND NOT has({running:Array(String)}, Step)
    ),
    Visits AS
    (
        SELECT
            V.1 AS Kind, V.2 AS Key, V.3 - Opened AS Age, V.4 AS Gap, V.5 AS Rest, V.6 AS Moved,
            Closed > 0 AS Seen,
            Rest * 2 + 1 - Seen AS RestCode,
            if(Kept > 0, greatest(Kept - V.3, 0) * 2, ({now_ns:Int64} - V.3) * 2 + 1) AS DueCode,
            cityHash64(CaseId) AS Tie
        FROM
        (
            SELECT
                CaseId, Closed, Kept, Opened,
                if(Closed > 0, Closed, {now_ns:Int64}) AS Until,
                arraySlice(E, 1, {visits:UInt32}) AS Early,
                Early.1 AS At,
                arrayMap((a, b) -> b - a, At, arrayPushBack(arrayPopFront(At),
                    if(length(E) > length(Early), E[length(Early) + 1].1, Until))) AS Gaps,
                arrayMap(i -> toUInt8(i < length(E) OR Closed > 0), arrayEnumerate(At)) AS Moves,
                arrayCumSum(arrayMap((s, i) -> cityHash64(s, i), Early.3, arrayEnumerate(At))) AS Prefixes,
                arrayConcat(
                    [(toUInt8(3), toUInt64(0), Opened, Until - Opened, Until - Opened, toUInt8(Closed > 0))],
                    arrayMap((s, a, g, m) -> (toUInt8(2), cityHash64(s), a, g, Until - a, m), Early.3, At, Gaps, Moves),
                    arrayMap((p, a, g, m) -> (toUInt8(1), toUInt64(p), a, g, Until - a, m), Prefixes, At, Gaps, Moves)
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
            arrayReverseSort(groupArray((Gap, Tie, RestCode, DueCode, Age))) AS Longest,
            Longest[{least:Array(UInt32)}[Kind]].1 AS Enough,
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
            arraySort(v -> (v.3, v.2), groupArray(V)) AS Sample,
            Sample.1 AS Gaps, Sample.3 AS Rests, Sample.4 AS Dues, Sample.5 AS Ages
        FROM
        (
            SELECT
                Kind, Key, V,
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
            any((O.Value, O.Currency, O.Step, O.Since, O.Promised, O.Named IS NOT NULL)) AS Facts,
            any(O.ByDue) AS ByDue,
            argMinIf((O.Kind, O.Key, O.Waited, O.Age), O.Kind, G.Enough > O.Waited) AS Best,
            anyIf((G.Left, G.UsualGap, G.Plain), O.Kind = 2) AS AfterStep,
            anyIf(G.Plain, O.Kind = 3) AS PlainStream
        FROM
        (
            SELECT *, Look.1 AS Kind, Look.2 AS Key, Look.3 AS Waited, Look.4 AS Age
            FROM Open
            ARRAY JOIN [
                (toUInt8(1), toUInt64(Prefix), {now_ns:Int64} - Since, Since - Opened),
                (toUInt8(2), cityHash64(Step), {now_ns:Int64} - Since, Since - Opened),
                (toUInt8(3), toUInt64(0), {now_ns:Int64} - Opened, toInt64(0))] AS Look
        ) AS O
        LEFT JOIN (SELECT Kind, Key, Enough, Left, UsualGap, Plain FROM Groups) AS G ON O.Kind = G.Kind AND O.Key = G.Key
        GROUP BY CaseId
    ),
    Near AS
    (
        SELECT
            CaseId, Facts, AfterStep, PlainStream, Kind, Waited,
            arrayMap((a, g) -> if(g > Waited, abs(a - Age), -1), L.Ages, L.Gaps) AS Away,
            arraySort(arrayFilter(a -> a >= 0, Away)) AS Distances,
            Distances[least(length(Distances),
                greatest({nearest:UInt64}, toUInt64(ceil(length(Distances) * {near:Float64}))))] AS Far,
            arrayFilter((r, a) -> a >= 0 AND a <= Far, L.Rests, Away) AS Rests,
            if(ByDue, arraySort(arrayFilter((r, a) -> r > 0 AND a >= 0 AND a <= Far, L.Dues, Away)), []) AS Dues
        FROM (SELECT *, Best.1 AS Kind, Best.2 AS Key, Best.3 AS Waited, Best.4 AS Age FROM Compared) AS C
        ASOF LEFT JOIN Levels AS L ON C.Kind = L.Kind AND C.Key = L.Key AND C.Waited >= L.Least
    ),
    -- Survival after Kaplan and Meier (1958), once until the case closes and, where it is another, until the promise is kept.
    Curves AS
    (
        SELECT
            CaseId, Facts, Kind, AfterStep, PlainStream, Target,
            arrayMap(r -> intDiv(r, 2) - Waited, Codes) AS Ends,
            length(Ends) AS N,
            arrayMap(x -> exp(x), arrayCumSum(arrayMap(
                (r, i) -> if(r % 2 = 1, 0., log(greatest(1 - 1 / (N - i + 1), 1e-30))),
                Codes, arrayEnumerate(Codes)))) AS Survival,
            1 - Survival[-1] AS Ending,
            Ending >= 0.5 - 1e-9 AS Half,
            multiIf(
                N = 0, 0,
                Ending < 1e-9, Ends[-1],
                arrayFirst((r, s) -> s <= if(Half, 0.5, 1 - Ending * 0.5) + 1e-9, Ends, Survival)) AS Median,
            multiIf(
                N = 0, 0,
                Ending < 1e-9 OR (Half AND Ending < 0.9 - 1e-9), Ends[-1],
                arrayFirst((r, s) -> s <= if(Half, 0.1, 1 - Ending * 0.9) + 1e-9, Ends, Survival)) AS Most,
            arrayCount(r -> r <= Facts.5 - {now_ns:Int64}, Ends) AS InTime,
            multiIf(N = 0, 0, InTime = 0, 1, round(Survival[InTime], 9)) AS Late
        FROM
        (
            SELECT *, Both.1 AS Target, Both.2 AS Codes
            FROM Near
            ARRAY JOIN if(notEmpty(Dues), [(1, Rests), (2, Dues)], [(1, Rests)]) AS Both
        )
    )
SELECT
    CaseId AS case_id,
    any(Facts.3) AS step,
    any(Facts.4) AS since_ns,
    any(Facts.1) AS value,
    any(Facts.2) AS currency,
    any(Facts).5 AS promise_ns,
    any(Facts.6) AS promised,
    ifNull(promise_ns < {now_ns:Int64}, 0) AS overdue,
    any(Kind) AS kind,
    anyIf(N, Target = 1) AS used,
    least({horizon_ns:Int64}, anyIf(Median, Target = 1)) / 1e9 AS remaining_s,
    least({horizon_ns:Int64}, anyIf(Most, Target = 1)) / 1e9 AS remaining_p90_s,
    least({horizon_ns:Int64}, argMax(Median, Target)) / 1e9 AS due_s,
    least({horizon_ns:Int64}, argMax(Most, Target)) / 1e9 AS due_p90_s,
    multiIf(overdue, 1, promise_ns IS NULL, 0, argMax(Late, Target)) AS p_late,
    any(AfterStep.1) AS usual_n,
    any(AfterStep.2) / 1e9 AS usual_gap_s,
    any(AfterStep.3) AS plain_step_s,
    any(PlainStream) AS plain_stream_s
FROM Curves
GROUP BY CaseId
