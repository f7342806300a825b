-- What every peer writes to.
CREATE TABLE bench_records (
    key text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    document jsonb NOT NULL
)
