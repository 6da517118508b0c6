-- What a credential is made of, by the manifest: its secrets, sealed, and its open properties.

-- The fields that a credential kind has, secret or not, and how each may be spelled. `secret` always
-- stands for the first secret.
CREATE FUNCTION sequin._auth_fields(auth jsonb)
RETURNS TABLE (field text, spellings text[], is_secret boolean, is_optional boolean, pattern text, hint text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  WITH fields AS (
    SELECT key, spec, true AS is_secret, ord
    FROM jsonb_each(auth -> 'secrets') WITH ORDINALITY AS s(key, spec, ord)
    UNION ALL
    SELECT key, spec, false, ord + 1000
    FROM jsonb_each(auth -> 'properties') WITH ORDINALITY AS p(key, spec, ord)
  ), spelled AS (
    SELECT *, ARRAY[key] || ARRAY(SELECT jsonb_array_elements_text(spec -> 'also')) AS spellings FROM fields
  )
  SELECT key,
         spellings || CASE WHEN ord = 1 AND NOT EXISTS (SELECT FROM spelled AS o WHERE 'secret' = ANY (o.spellings))
                           THEN '{secret}'::text[] END,
         is_secret,
         NOT is_secret OR coalesce((spec -> 'optional')::boolean, false),
         spec ->> 'pattern',
         spec ->> 'hint'
  FROM spelled
  ORDER BY ord
$$;

-- The text of a secret given as string, {"from_file": path} or {"from_env": name}.
CREATE FUNCTION sequin._secret(actor text, value jsonb, field text) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  plain text;
  source text;
BEGIN
  IF jsonb_typeof(value) = 'string' THEN
    plain := value #>> '{}';
  ELSIF jsonb_typeof(value) = 'object' THEN
    PERFORM sequin._only(value, '{from_file,from_env}', field || '.');
    IF (SELECT count(*) FROM jsonb_object_keys(value)) <> 1 THEN
      RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('field "%s" must name one source', field),
        HINT = 'Give {"from_file": path} or {"from_env": name}.';
    END IF;
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = actor) THEN
      RAISE EXCEPTION USING ERRCODE = '42501',
        MESSAGE = format('only a superuser may have field "%s" read from the server''s files or environment', field),
        HINT = 'Give the secret itself, as a string.';
    END IF;
    IF value ? 'from_env' THEN
      source := 'environment variable';
      plain := sequin._env(sequin._need_text(value, 'from_env'));
    ELSE
      source := 'file';
      IF sequin._need_text(value, 'from_file') !~ '^/' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('field "%s.from_file" is no absolute path', field);
      END IF;
      BEGIN
        plain := rtrim(pg_read_file(value ->> 'from_file', 0, 20000, true), E'\r\n');
      EXCEPTION WHEN OTHERS THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
          MESSAGE = format('could not read the file that field "%s" names', field),
          HINT = 'The file must be text in UTF-8 that the server''s own user may read.';
      END;
    END IF;
    IF plain IS NULL THEN
      RAISE EXCEPTION USING ERRCODE = '22023',
        MESSAGE = format('the %s that field "%s" names is not there', source, field),
        HINT = 'It is looked for on the server, not on the client.';
    END IF;
  ELSE
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = format('field "%s" must be a string, not %s', field, sequin._a(value));
  END IF;
  IF plain !~ '\S' THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('field "%s" is empty', field);
  ELSIF octet_length(plain) > 16384 THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('field "%s" is longer than 16384 bytes', field);
  ELSIF plain ~ '[[:cntrl:]]' OR plain ~ '^\s|\s$' THEN
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = format('field "%s" begins or ends with a space, or has a control character', field),
      HINT = 'Look whether a line break was copied with it.';
  END IF;
  RETURN plain;
END
$$;

-- The secrets and clear properties in `body`, by the names that the manifest gives them.
CREATE FUNCTION sequin._credential_values(
  actor text, auth jsonb, body jsonb, place text, OUT secrets jsonb, OUT properties jsonb)
RETURNS record
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  f record;
  given text[];
  plain text;
BEGIN
  secrets := '{}';
  properties := '{}';
  FOR f IN SELECT * FROM sequin._auth_fields(auth) LOOP
    given := ARRAY(SELECT s FROM unnest(f.spellings) AS s WHERE coalesce(body -> s, 'null') <> 'null');
    IF EXISTS (SELECT FROM unnest(given) AS s WHERE body -> s <> body -> given[1]) THEN
      RAISE EXCEPTION USING ERRCODE = '22023',
        MESSAGE = format('field "%s%s" is given more than once, with different values', place, f.field),
        HINT = format('Keep one of: %s.', array_to_string(given, ', '));
    ELSIF given = '{}' THEN
      CONTINUE;
    ELSIF NOT f.is_secret THEN
      properties := properties || jsonb_build_object(f.field, body -> given[1]);
      CONTINUE;
    END IF;
    plain := sequin._secret(actor, body -> given[1], place || given[1]);
    IF plain !~ f.pattern THEN
      RAISE EXCEPTION USING ERRCODE = '22023',
        MESSAGE = format('field "%s%s" does not have the form of this secret', place, given[1]), HINT = f.hint;
    END IF;
    secrets := secrets || jsonb_build_object(f.field, plain);
  END LOOP;
END
$$;

-- A secret that the kind cannot do without must be there.
CREATE FUNCTION sequin._require_secrets(auth jsonb, secrets jsonb, place text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  f record;
BEGIN
  SELECT * INTO f FROM sequin._auth_fields(auth) WHERE NOT is_optional AND NOT secrets ? field LIMIT 1;
  IF FOUND THEN
    PERFORM sequin._missing(place || f.field, format('Give the secret as one of: %s.', array_to_string(f.spellings, ', ')));
  END IF;
END
$$;

-- What tells one account of an API from another, as far as the credential knows: the properties that go
-- into requests, and where the requests go; with the secrets, hashed.
CREATE FUNCTION sequin._credential_place(manifest jsonb, properties jsonb, base_url text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT concat_ws(E'\n',
    (SELECT string_agg(key || '=' || value, E'\n' ORDER BY key) FROM jsonb_each_text(properties)
     WHERE manifest::text ~ ('\$\{cred\.' || key || '[|}]')),
    base_url)
$$;

CREATE FUNCTION sequin._credential_digest(manifest jsonb, secrets jsonb, properties jsonb, base_url text) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT sequin._keyed_hash(concat_ws(E'\n',
    CASE WHEN (SELECT count(*) FROM jsonb_object_keys(secrets)) = 1
         THEN (SELECT value FROM jsonb_each_text(secrets)) ELSE secrets::text END,
    nullif(sequin._credential_place(manifest, properties, base_url), '')))
$$;

-- The fields of a credential, whether they stand flat or inside `properties`.
CREATE FUNCTION sequin._flat(params jsonb, place text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  inner_fields jsonb := coalesce(sequin._param(params, 'properties', 'object', place), '{}');
  twice text;
BEGIN
  SELECT key INTO twice FROM jsonb_each(inner_fields)
  WHERE key <> 'name' AND coalesce(params -> key, 'null') NOT IN ('null', value) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = format('field "%s%s" is given more than once, with different values', place, twice),
      HINT = format('Give it beside "properties" or inside, not both.');
  END IF;
  RETURN inner_fields || (params - 'properties');
END
$$;
