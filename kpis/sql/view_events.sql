    SELECT * REPLACE (if(b.Currency = '?', '', toString(b.Currency)) AS Currency), b.Currency = '?' AS Foreign
    FROM /*batch*/ AS b
    WHERE Latest AND Stream IN {streams:Array(String)} AND (EventName IN {names:Array(String)} OR empty({names:Array(String)}))
