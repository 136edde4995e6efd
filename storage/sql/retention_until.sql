-- Until when the rows of one partition of a look-up table speak.
SELECT max({until:Identifier}) FROM {table:Identifier} WHERE _partition_id = {id:String}
