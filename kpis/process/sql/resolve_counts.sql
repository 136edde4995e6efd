-- How many steps are other than before, and how many are no longer what they were.
SELECT
    (
        SELECT count()
        FROM resolving_rows_in AS n
        LEFT JOIN resolving_before_in AS o ON o.Trace = n.Trace AND o.EventId = n.EventId
        WHERE (o.Stream, o.Case, o.Content) != (n.Stream, n.Case, n.Content)
    ) AS written,
    (
        SELECT count()
        FROM resolving_before_in AS o
        LEFT JOIN resolving_rows_in AS n ON n.Trace = o.Trace AND n.EventId = o.EventId
        WHERE (n.Stream, n.Case) != (o.Stream, o.Case)
    ) AS withdrawn
