-- The median duration of the cases that have not each of the given traits.
SELECT
    Wanted AS number,
    quantileExactInclusiveIf(0.5)(Seconds, NOT has(Traits, (
        {kinds:Array(String)}[Wanted], {names:Array(String)}[Wanted], {values:Array(String)}[Wanted]))) AS median_s
FROM (/*traits*/)
ARRAY JOIN arrayEnumerate({kinds:Array(String)}) AS Wanted
GROUP BY number
