SELECT toString(TenantId), count() FROM otel_traces WHERE ReceivedAt >= {since:DateTime64(9, 'UTC')} GROUP BY TenantId
