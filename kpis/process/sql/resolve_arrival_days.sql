-- Days whose notes of arrivals are no longer needed.
SELECT DISTINCT toUInt32OrZero(partition)
FROM system.parts
WHERE database = currentDatabase() AND table = 'trace_arrivals' AND active AND toUInt32OrZero(partition) < {before:UInt32}
