-- Every row of the bare loop, as the oracle reads rows.
SELECT '', key, document::text FROM raw_records
