-- The newest receipt, and how many rows came with or after `since`.
SELECT max(ReceivedAt) AS Newest, count() AS Rows
FROM process_events
WHERE TenantId = {tenant:String} AND ReceivedAt >= {since:DateTime64(9, 'UTC')}
