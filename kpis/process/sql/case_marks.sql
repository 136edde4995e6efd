-- How far the case jobs have come with each stream, and by which model.
SELECT TenantId, Stream, Model, Through FROM case_marks FINAL
