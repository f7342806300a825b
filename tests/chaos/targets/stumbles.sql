-- Every third statement fails as if it could not be serialized; its number survives the rollback.

CREATE SEQUENCE public.statements MINVALUE 0;

CREATE FUNCTION public.stumble() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF nextval('public.statements') % 3 = 2 THEN
        RAISE EXCEPTION 'injected' USING ERRCODE = '40001';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER stumble AFTER INSERT ON public.items
FOR EACH STATEMENT EXECUTE FUNCTION public.stumble();
