-- Puts the events of the selected cases aside, so that all views read them at once.
INSERT INTO kpi_batch (Source, /*columns*/)
SELECT {source:String}, /*columns*/
FROM /*source*/
WHERE TenantId = {tenant:String} AND Stream IN {streams:Array(String)} AND Timestamp >= {earliest:DateTime64(9)} AND /*selection*/
