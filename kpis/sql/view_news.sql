-- Which events these segments brought, of those put aside.
SELECT DISTINCT toString(Stream), toString(EventName) FROM kpi_batch WHERE SegmentId IN {segments:Array(UInt64)}
