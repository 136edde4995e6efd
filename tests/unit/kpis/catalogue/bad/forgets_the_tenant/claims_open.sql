SELECT 1 --  {grain:String} {tz:String} {buckets:Array(DateTime('UTC'))}
