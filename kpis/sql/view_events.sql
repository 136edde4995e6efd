    SELECT
        Stream, CaseId, EventId, EventName, Timestamp, StartTime, Seq, Quantity, Amount,
        if(Currency IN {currencies:Array(String)}, toString(Currency), '') AS Currency, ActorType, Resource, Step, Attributes
    FROM /*source*/
    WHERE TenantId = {tenant:String} AND Stream IN {streams:Array(String)} AND Timestamp >= {earliest:DateTime64(9)}
        AND (EventName IN {names:Array(String)} OR empty({names:Array(String)})) AND /*selection*/
    ORDER BY Stream, CaseId, EventId, ReceivedAt DESC, Timestamp DESC, Seq DESC
    LIMIT 1 BY Stream, CaseId, EventId
