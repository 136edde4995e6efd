multiIf(
    Stream != '' AND CaseId != '', (toString(Stream), CaseId, 'business_key'),
    tupleElement(/*object*/ AS Object, 2) != '', (tupleElement(Object, 1), tupleElement(Object, 2), 'business_key'),
    tupleElement((
        if(Stream != '', toString(Stream), Attrs['baggage.retail.stream']),
        if(CaseId != '', CaseId, Attrs['baggage.retail.case.id'])) AS Carried, 1) != ''
        AND tupleElement(Carried, 2) != '' AND (Stream = '' OR Attrs['baggage.retail.stream'] IN ('', Stream)),
    (tupleElement(Carried, 1), tupleElement(Carried, 2), 'baggage'),
    ('', '', ''))
