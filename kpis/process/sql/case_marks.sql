-- How far the case jobs have come with each stream, and by which model, and what was taken in of late.
SELECT TenantId, Stream, Model, Through, Taken FROM case_marks FINAL
