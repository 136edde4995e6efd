SELECT toString(TenantId), count() FROM otel_logs WHERE ReceivedAt >= {since:DateTime64(9, 'UTC')} GROUP BY TenantId
