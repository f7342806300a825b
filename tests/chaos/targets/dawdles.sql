-- A row whose note says so takes longer than any statement may.

CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(30);
    RETURN NEW;
END $$;

CREATE TRIGGER dawdle BEFORE INSERT OR UPDATE ON public.items
FOR EACH ROW WHEN (NEW.note = 'slow') EXECUTE FUNCTION public.dawdle();
