-- Which events these segments brought, of those put aside; and what was said before of an event that was told again.
SELECT DISTINCT toString(Stream), toString(EventName) FROM /*batch*/ WHERE SegmentId IN {segments:Array(UInt64)} OR NOT Latest
