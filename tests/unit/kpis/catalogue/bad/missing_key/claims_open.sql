SELECT 1 -- {tenant:String} {grain:String} {tz:String} {buckets:Array(DateTime('UTC'))}
