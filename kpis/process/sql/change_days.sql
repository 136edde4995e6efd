-- Days whose notes of changes are no longer needed.
SELECT DISTINCT table, toUInt32OrZero(partition)
FROM system.parts
WHERE database = currentDatabase() AND table IN ('case_changes', 'record_changes') AND active AND toUInt32OrZero(partition) < {before:UInt32}
