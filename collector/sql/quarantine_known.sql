-- Which of these places in the log have an entry already.
SELECT SegmentId, FrameOffset FROM quarantine WHERE SegmentId IN {segments:Array(UInt64)}
