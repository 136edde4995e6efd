-- Rows that were made, put with the others.
INSERT INTO /*table*/ (/*columns*/)
SELECT /*columns*/ FROM /*made*/
