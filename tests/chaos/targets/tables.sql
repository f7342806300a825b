-- Where the rows of the table have their operations applied. The workers never write `at`.

CREATE TABLE public.items (
    id text PRIMARY KEY,
    n bigint,
    note text,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT not_negative CHECK (n >= 0)
);

CREATE TABLE public.parents (id text PRIMARY KEY, n bigint);

CREATE TABLE public.children (id text PRIMARY KEY, parent text REFERENCES public.parents);
