-- One statement in five fails as if it could not be serialized; how many did survives the rollback.

CREATE SEQUENCE public.stumbles;

CREATE FUNCTION public.stumble() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF random() < 0.2 THEN
        PERFORM nextval('public.stumbles');
        RAISE EXCEPTION 'injected' USING ERRCODE = '40001';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER stumble AFTER INSERT OR UPDATE ON public.items
FOR EACH STATEMENT EXECUTE FUNCTION public.stumble();
