-- Buckets of minutes that are no longer shown.
DELETE FROM kpi_values WHERE TenantId = {tenant:String} AND Grain = 'minute' AND BucketStart < {before:DateTime('UTC')}
