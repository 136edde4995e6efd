SELECT 1 -- {tenant:String} {tz:String} {since:DateTime64(9, 'UTC')}
