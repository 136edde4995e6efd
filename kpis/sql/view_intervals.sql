-- What began and ended within a case: exceptions, approvals, requests of customers, onboardings … (the pairs are
-- parameters). A beginning and an end belong together by the attribute that the pair names, else by the case. A beginning
-- ends at the first end from then on; a second beginning before that end is a repetition and is no interval of its own.
WITH
    events AS
    (
/*events*/
    ),
    pairs AS
    (
        SELECT P.1 AS Kind, P.2 AS Beginning, P.4 AS Keys, P.5 AS LabelKey, arrayJoin(arrayPushBack(P.3, P.2)) AS Name
        FROM (SELECT arrayJoin({pairs:Array(Tuple(String, String, Array(String), Array(String), String))}) AS P)
    ),
    parts AS
    (
        SELECT
            Stream,
            CaseId,
            Kind,
            arrayFirst(v -> v != '', arrayPushBack(arrayMap(a -> Attributes[a], Keys), '')) AS Match,
            EventName = Beginning AS Starts,
            (Timestamp, EventId, EventName, toString(ActorType), toString(Resource), ifNull(Quantity, 0), Amount, toString(Currency),
                Attributes[LabelKey]) AS E
        FROM events
        INNER JOIN pairs ON pairs.Name = events.EventName
    ),
    grouped AS
    (
        SELECT
            Stream, CaseId, Kind, Match,
            arraySort(groupArrayIf(E, Starts)) AS Begins,
            arraySort(groupArrayIf(E, NOT Starts)) AS Ends,
            arrayMap(e -> e.1, Ends) AS EndTimes,
            arrayMap(b -> arrayFirstIndex(t -> t >= b, EndTimes), arrayMap(b -> b.1, Begins)) AS Closing
        FROM parts
        GROUP BY Stream, CaseId, Kind, Match
    )
SELECT
    Stream, CaseId, concat(Kind, '/', Match, '/', toString(Place)) AS Subject, B.1 AS Began, Kind, B.9 AS Label,
    B.1 AS StartedAt, if(C = 0, NULL, Ends[C].1) AS EndedAt, if(C = 0, '', Ends[C].3) AS Result,
    if(C = 0, '', Ends[C].4) AS EndActor, if(C = 0, '', Ends[C].5) AS Resource, B.6 AS Quantity, B.7 AS Amount, B.8 AS Currency
FROM grouped
ARRAY JOIN Begins AS B, Closing AS C, arrayEnumerate(Begins) AS Place,
    arrayMap((c, i) -> i > 1 AND Closing[i - 1] = c, Closing, arrayEnumerate(Closing)) AS Again
WHERE NOT Again
