-- Every trait that at least `support` cases have and as many have not: how many, how many of them slow, the sum of their
-- ranks, their median duration.
SELECT
    tupleElement(Trait, 1) AS kind,
    tupleElement(Trait, 2) AS name,
    tupleElement(Trait, 3) AS value,
    count() AS cases,
    countIf(Slow) AS slow,
    sum(Place) AS ranks,
    quantileExactInclusive(0.5)(Seconds) AS median_s
FROM (/*traits*/)
ARRAY JOIN Traits AS Trait
GROUP BY kind, name, value
HAVING cases >= {support:UInt64} AND cases + {support:UInt64} <= {all:UInt64}
ORDER BY kind, name, value
