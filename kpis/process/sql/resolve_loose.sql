-- An event without a trace is looked at as a trace of its own.
INSERT INTO resolving_traces_in (Trace, Target, Hop)
SELECT Trace, 1, 0 FROM resolving_events_in WHERE TraceId = ''
