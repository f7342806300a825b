-- What the bare loop writes to: rows that can refuse what is stale.
CREATE TABLE IF NOT EXISTS raw_records (
    key text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    document jsonb NOT NULL
)
