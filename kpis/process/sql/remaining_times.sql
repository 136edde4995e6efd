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
            groupArray(V.1) AS Gaps, groupArray(V.3) AS Rests, groupArray(V.4) AS Dues, groupArray(V.5) AS Ages,
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
            any((O.Value, O.Currency, O.Step, O.Since, O.Promised, O.Named IS NOT NULL)) AS Facts,
            any(O.ByDue) AS ByDue,
            argMinIf((Kind, Waited, Alike, AlikeDue), Kind, length(Away) >= {least:Array(UInt32)}[Kind]) AS Best,
            anyIf((Left, UsualGap, Plain), Kind = 2) AS AfterStep,
            anyIf(Plain, Kind = 3) AS PlainStream
        FROM
        (
            SELECT O.*, L.UsualGap, L.Left, L.Plain,
                arrayFilter((d, g) -> g > O.Waited, arrayMap(a -> abs(a - O.Age), L.Ages), L.Gaps) AS Away,
                least(length(Away), greatest({nearest:UInt64}, toUInt64(ceil(length(Away) * {near:Float64})))) AS Wanted,
                arraySort(Away)[Wanted] AS Far,
                arraySort(arrayFilter((r, d) -> d <= Far,
                    arrayFilter((r, g) -> g > O.Waited, L.Rests, L.Gaps), Away)) AS Alike,
                arraySort(arrayFilter((r, d) -> r > 0 AND d <= Far,
                    arrayFilter((r, g) -> g > O.Waited, if(ByDue, L.Dues, L.Rests), L.Gaps), Away)) AS AlikeDue
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
    -- Survival after Kaplan and Meier (1958), once until the case closes and, where it is another, until the promise is kept.
    Curves AS
    (
        SELECT
            CaseId, Facts, Best.1 AS Kind, AfterStep, PlainStream, Target,
            arrayMap(r -> intDiv(r, 2) - Best.2, Codes) AS Ends,
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
            FROM Compared
            ARRAY JOIN if(ByDue AND notEmpty(Best.4), [(1, Best.3), (2, Best.4)], [(1, Best.3)]) AS Both
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
