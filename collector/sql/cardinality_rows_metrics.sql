SELECT toString(TenantId), count()
FROM
(
    SELECT TenantId FROM otel_metrics_gauge WHERE ReceivedAt >= {since:DateTime64(9, 'UTC')}
    UNION ALL
    SELECT TenantId FROM otel_metrics_sum WHERE ReceivedAt >= {since:DateTime64(9, 'UTC')}
    UNION ALL
    SELECT TenantId FROM otel_metrics_histogram WHERE ReceivedAt >= {since:DateTime64(9, 'UTC')}
    UNION ALL
    SELECT TenantId FROM otel_metrics_exponential_histogram WHERE ReceivedAt >= {since:DateTime64(9, 'UTC')}
    UNION ALL
    SELECT TenantId FROM otel_metrics_summary WHERE ReceivedAt >= {since:DateTime64(9, 'UTC')}
)
GROUP BY TenantId
