-- Streams by object, the stream that each is made from, and the object type.
SELECT toString(TenantId) AS tenant, concat(Stream, '/', ObjectType) AS stream, toString(Stream) AS base,
    toString(ObjectType) AS object_type
FROM flattened_streams FINAL
