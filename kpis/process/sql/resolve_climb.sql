-- One jump: every node takes over what the one that it points to has found, or its pointer, so the height doubles.
INSERT INTO /*to*/ (Id, Next, Done, Stream, Case)
SELECT
    a.Id,
    if(a.Done = 1, 0, b.Next),
    multiIf(a.Done = 1, 1, b.Id = 0, 1, b.Done),
    if(a.Done = 1, a.Stream, b.Stream),
    if(a.Done = 1, a.Case, b.Case)
FROM /*from*/ AS a
LEFT JOIN /*from*/ AS b ON b.Id = a.Next
