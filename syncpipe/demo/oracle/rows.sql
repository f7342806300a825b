-- Every row of a document-mode table that holds a record; a row whose document is NULL does not
-- exist. The text is taken as PostgreSQL writes it, so that nothing but the oracle interprets it.
-- {table}: the table, as a quoted identifier.
SELECT collection, key, document::text FROM {table} WHERE document IS NOT NULL
