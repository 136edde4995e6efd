    SELECT *
    FROM /*batch*/
    WHERE Latest AND Stream IN {streams:Array(String)} AND (EventName IN {names:Array(String)} OR empty({names:Array(String)}))
