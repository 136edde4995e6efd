ALTER TABLE {table:Identifier} DROP PARTITION ID {id:String}
