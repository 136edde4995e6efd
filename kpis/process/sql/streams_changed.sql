-- Every tenant's streams that got events since a time of insertion.
SELECT DISTINCT toString(TenantId) AS tenant, toString(Stream) AS stream
FROM case_changes
WHERE InsertedAt >= {since:DateTime64(3, 'UTC')}
