-- Where the workers of syncpipe apply messages, and what keeps account of it.

CREATE TABLE public.messages (id text PRIMARY KEY, n bigint NOT NULL);

-- One row for each effect, written by the database in the transaction of the effect.
CREATE TABLE public.effects (
    seq bigserial PRIMARY KEY,
    n bigint NOT NULL,
    worker text NOT NULL DEFAULT session_user,
    at double precision NOT NULL DEFAULT extract(epoch FROM clock_timestamp())
);

-- The pause makes a worker that is killed likely to be at work, and shows that it is.
CREATE FUNCTION public.record_effect() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.effects (n) VALUES (NEW.n);
    PERFORM pg_sleep(0.01);
    RETURN NULL;
END $$;

CREATE TRIGGER record_effect AFTER INSERT OR UPDATE ON public.messages
FOR EACH ROW EXECUTE FUNCTION public.record_effect();
