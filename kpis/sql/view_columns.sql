-- The columns of a view's table.
SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String} ORDER BY position
