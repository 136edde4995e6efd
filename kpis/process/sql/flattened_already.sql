-- Whether a stream by object is kept, and its past taken in.
SELECT max(Whole)
FROM flattened_streams
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND ObjectType = {object_type:String}
