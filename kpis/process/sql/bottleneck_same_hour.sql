-- How long the cases had waited that stood after each step at this moment of the week, one to four weeks ago.
SELECT
    CaseStream AS stream,
    Step AS step,
    count() AS cases,
    quantileExactInclusive(0.5)((Moment - Entered) / 1e9) AS median_wait_s
FROM
(
    SELECT CaseStream, Step, Entered, Stands, Gone,
        {now_ns:Int64} - arrayJoin([1, 2, 3, 4]) * 604800000000000 AS Moment
    FROM (/*stays*/)
)
WHERE Entered <= Moment AND Moment - Entered <= {cap_ns:Int64} AND (Stands = 1 OR Gone > Moment)
GROUP BY stream, step
