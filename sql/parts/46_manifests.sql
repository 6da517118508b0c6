-- Reading manifests that were checked before.

CREATE FUNCTION sequin._provider(provider_name text) RETURNS sequin._providers
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  p sequin._providers;
BEGIN
  SELECT * INTO p FROM sequin._providers AS x WHERE x.name = provider_name;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('there is no provider "%s"', left(provider_name, 100)),
      HINT = coalesce(
        'Did you mean "' || sequin._nearest(left(provider_name, 100),
          ARRAY(SELECT x.name::text FROM sequin._providers AS x ORDER BY x.name)) || '"?',
        'See those there are with sequin.list_providers(), or add one with sequin.create_provider.');
  END IF;
  RETURN p;
END
$$;

-- A provider's collections, each with its template merged in.
CREATE FUNCTION sequin._collection_specs(a_provider text) RETURNS TABLE (id text, object text, spec jsonb)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT p.name || ':' || c.key, c.key,
         coalesce(p.manifest -> 'templates' -> (c.value ->> 'use'), '{}') || c.value
  FROM sequin._providers AS p, jsonb_each(p.manifest -> 'collections') AS c
  WHERE p.name = a_provider
$$;

-- The top-level member that a jsonpath begins with; NULL where it does not begin so.
CREATE FUNCTION sequin._first_member(path text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(m[1], m[2])
  FROM regexp_match(path, '^\s*(?:strict\s+|lax\s+)?\$\s*\.\s*(?:"([^"]+)"|([[:alpha:]_][[:alnum:]_]*))') AS m
$$;

-- The top-level members that a collection's records cannot do without, and for what.
CREATE FUNCTION sequin._members_needed(spec jsonb) RETURNS TABLE (use text, member text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT u.use, sequin._first_member(u.path)
  FROM (
    SELECT 'it is part of the key', k FROM jsonb_array_elements_text(spec -> 'key') AS k
    UNION ALL
    VALUES ('it says when a record was created', spec #>> '{created,path}'),
           ('it says when a record was updated', spec #>> '{updated,path}'),
           ('it says which of two copies is newer', spec #>> '{version,path}')) AS u(use, path)
  WHERE sequin._first_member(u.path) IS NOT NULL
$$;

-- Whether deletes are noticed, as words: feed, field, sweep, parent, list, never.
CREATE FUNCTION sequin._delete_kinds(spec jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(array_agg(d ->> 'kind' ORDER BY ord), '{}')
  FROM jsonb_array_elements(spec -> 'deletes') WITH ORDINALITY AS e(d, ord)
$$;

-- The known fields of a collection. The catalogue lists them as {accessor: type} or
-- {accessor: {type, name, alias, ..}}, or as a list of objects with `accessor`.
CREATE FUNCTION sequin._fields(collection_id text, catalogue jsonb, spec jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(jsonb_agg(
    jsonb_build_object(
      'id', collection_id || ':' || f.accessor,
      'name', coalesce(f.more ->> 'name', f.accessor),
      'accessor', f.accessor,
      'type', coalesce(f.more ->> 'type', 'text'),
      'primary_key', f.accessor IN (SELECT sequin._first_member(k) FROM jsonb_array_elements_text(spec -> 'key') AS k))
    || jsonb_strip_nulls(jsonb_build_object('alias', f.more -> 'alias'))
    ORDER BY f.accessor), '[]')
  FROM (
    SELECT key, CASE jsonb_typeof(value) WHEN 'object' THEN value ELSE jsonb_build_object('type', value) END
    FROM jsonb_each(CASE jsonb_typeof(catalogue) WHEN 'object' THEN catalogue END)
    UNION ALL
    SELECT coalesce(value ->> 'accessor', value ->> 'name'), value
    FROM jsonb_array_elements(CASE jsonb_typeof(catalogue) WHEN 'array' THEN catalogue END)
    WHERE jsonb_typeof(value) = 'object') AS f(accessor, more)
  WHERE f.accessor IS NOT NULL
$$;
