-- Days whose notes of changes are no longer needed.
SELECT DISTINCT toUInt32OrZero(partition)
FROM system.parts
WHERE database = currentDatabase() AND table = 'case_changes' AND active AND toUInt32OrZero(partition) < {before:UInt32}
