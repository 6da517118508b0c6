-- Reading the parameters of management functions. Each function either returns a sound value or refuses
-- with SQLSTATE 22023, naming the field. A missing field and a JSON null are the same: NULL. No message
-- repeats a value that could be a secret.
-- `place` is what stands before the field's name in messages, such as `rate_limit.`.

CREATE FUNCTION sequin._a(value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE jsonb_typeof(value) WHEN 'array' THEN 'an array' WHEN 'object' THEN 'an object'
         ELSE 'a ' || jsonb_typeof(value) END
$$;

-- The hint for a word that is none of the known ones.
CREATE FUNCTION sequin._perhaps(word text, known text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce('Did you mean "' || sequin._nearest(word, known) || '"?',
                  CASE known WHEN '{}' THEN 'Leave it out: nothing is known here.'
                  ELSE 'Use one of: ' || array_to_string(known[1:40], ', ') || '.' END)
$$;

-- Refuses what is no object.
CREATE FUNCTION sequin._require_object(params jsonb, place text DEFAULT '') RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF jsonb_typeof(params) <> 'object' THEN
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = format('%s must be an object, not %s',
        CASE place WHEN '' THEN 'the parameters' ELSE format('field "%s"', rtrim(place, '.')) END,
        sequin._a(params));
  END IF;
END
$$;

-- Refuses fields that nobody reads. Of an older Sequin's fields `stream_id` and `org_id` are let through.
CREATE FUNCTION sequin._only(params jsonb, known text[], place text DEFAULT '') RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  unknown text;
BEGIN
  PERFORM sequin._require_object(params, place);
  SELECT k INTO unknown
  FROM jsonb_object_keys(params) AS k
  WHERE k <> ALL (known) AND k NOT IN ('stream_id', 'org_id')
  ORDER BY k LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = format('unknown field "%s%s"', place, left(unknown, 100)),
      HINT = sequin._perhaps(left(unknown, 100), known);
  END IF;
END
$$;

-- The field's value, which must be of a JSON type.
CREATE FUNCTION sequin._param(params jsonb, field text, type text, place text DEFAULT '') RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  value jsonb := params -> field;
BEGIN
  IF value IS NULL OR jsonb_typeof(value) = 'null' THEN
    RETURN NULL;
  END IF;
  IF jsonb_typeof(value) <> type THEN
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = format('field "%s%s" must be %s, not %s', place, field,
        CASE WHEN type IN ('array', 'object') THEN 'an ' ELSE 'a ' END || type, sequin._a(value));
  END IF;
  RETURN value;
END
$$;

CREATE FUNCTION sequin._param_object(params jsonb, field text, most_bytes integer DEFAULT 65536) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  value jsonb := sequin._param(params, field, 'object');
BEGIN
  IF octet_length(value::text) > most_bytes THEN
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = format('field "%s" is longer than %s bytes', field, most_bytes);
  END IF;
  RETURN value;
END
$$;

CREATE FUNCTION sequin._param_boolean(params jsonb, field text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT sequin._param(params, field, 'boolean')::boolean $$;

-- Text that is not empty.
CREATE FUNCTION sequin._param_text(params jsonb, field text, most_bytes integer DEFAULT 1000, place text DEFAULT '')
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  value text := sequin._param(params, field, 'string', place) #>> '{}';
BEGIN
  IF value ~ '^\s*$' THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('field "%s%s" is empty', place, field);
  END IF;
  IF octet_length(value) > most_bytes THEN
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = format('field "%s%s" is longer than %s bytes', place, field, most_bytes);
  END IF;
  RETURN value;
END
$$;

CREATE FUNCTION sequin._missing(field text, hint text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('field "%s" is missing', field),
    HINT = coalesce(hint, format('Add "%s" to the parameters.', field));
END
$$;

-- Text that must be there.
CREATE FUNCTION sequin._need_text(params jsonb, field text, most_bytes integer DEFAULT 1000) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  value text := sequin._param_text(params, field, most_bytes);
BEGIN
  IF value IS NULL THEN
    PERFORM sequin._missing(field);
  END IF;
  RETURN value;
END
$$;

-- The `id` of functions that take nothing else.
CREATE FUNCTION sequin._only_id(params jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM sequin._only(params, '{id}');
  RETURN sequin._need_text(params, 'id');
END
$$;

-- One of a few words.
CREATE FUNCTION sequin._param_word(params jsonb, field text, words text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  value text := sequin._param_text(params, field);
BEGIN
  IF value <> ALL (words) THEN
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = format('field "%s" cannot be "%s"', field, left(value, 100)),
      HINT = format('Use one of: %s.', array_to_string(words, ', '));
  END IF;
  RETURN value;
END
$$;

CREATE FUNCTION sequin._param_number(params jsonb, field text, low numeric, high numeric, place text DEFAULT '')
RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  value numeric := sequin._param(params, field, 'number', place)::numeric;
BEGIN
  IF value NOT BETWEEN low AND high THEN
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = format('field "%s%s" is out of range', place, field),
      HINT = format('Use a number between %s and %s.', low, high);
  END IF;
  RETURN value;
END
$$;

CREATE FUNCTION sequin._param_integer(params jsonb, field text, low bigint, high bigint, place text DEFAULT '')
RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  value numeric := sequin._param_number(params, field, low, high, place);
BEGIN
  IF value <> trunc(value) THEN
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = format('field "%s%s" must be a whole number', place, field);
  END IF;
  RETURN value;
END
$$;

-- A list of texts, each once, in the order given.
CREATE FUNCTION sequin._param_texts(params jsonb, field text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  value jsonb := sequin._param(params, field, 'array');
  place text;
BEGIN
  SELECT format('%s[%s]', field, ord - 1) INTO place
  FROM jsonb_array_elements(value) WITH ORDINALITY AS e(item, ord)
  WHERE jsonb_typeof(item) <> 'string' OR item #>> '{}' !~ '\S'
  ORDER BY ord LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = format('field "%s" must be a string that is not empty', place);
  END IF;
  RETURN CASE WHEN value IS NOT NULL THEN ARRAY(
    SELECT item FROM jsonb_array_elements_text(value) WITH ORDINALITY AS e(item, ord)
    GROUP BY item ORDER BY min(ord)) END;
END
$$;

-- An id that the caller picks.
CREATE FUNCTION sequin._param_new_id(params jsonb) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  value text := sequin._param_text(params, 'id', 200);
BEGIN
  IF value !~ '^[A-Za-z0-9_.:-]+$' THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'field "id" has characters that an id cannot have',
      HINT = 'Use letters, digits and _ . : - only, or leave the field out.';
  END IF;
  RETURN coalesce(value, gen_random_uuid()::text);
END
$$;

CREATE FUNCTION sequin._param_base_url(params jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  value text := sequin._param_text(params, 'base_url', 1000);
BEGIN
  IF value !~ '^https?://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[^\s?#\\]*)?$' THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'field "base_url" is not a base URL',
      HINT = 'Write it as https://host, https://host:port or https://host/path, without user, query or fragment.';
  END IF;
  RETURN rtrim(value, '/');
END
$$;

-- {allowed_requests, interval, max_concurrent_requests}, whole.
CREATE FUNCTION sequin._param_rate_limit(params jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  value jsonb := sequin._param(params, 'rate_limit', 'object');
  allowed bigint;
  seconds bigint;
BEGIN
  IF value IS NULL THEN
    RETURN NULL;
  END IF;
  PERFORM sequin._only(value, '{allowed_requests,interval,max_concurrent_requests}', 'rate_limit.');
  allowed := coalesce(sequin._param_integer(value, 'allowed_requests', 0, 1000000000, 'rate_limit.'), 0);
  seconds := sequin._param_integer(value, 'interval', 1, 2678400, 'rate_limit.');
  IF allowed > 0 AND seconds IS NULL THEN
    PERFORM sequin._missing('rate_limit.interval', 'Give the interval in seconds.');
  END IF;
  RETURN jsonb_build_object(
    'allowed_requests', allowed,
    'interval', coalesce(seconds, 60),
    'max_concurrent_requests',
    coalesce(sequin._param_integer(value, 'max_concurrent_requests', 0, 100000, 'rate_limit.'), 0));
END
$$;

-- `continuous`, or an interval of a second at least.
CREATE FUNCTION sequin._param_frequency(params jsonb) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  value text := sequin._param_text(params, 'sync_frequency', 100);
BEGIN
  IF value IS NULL OR value = 'continuous' THEN
    RETURN value;
  END IF;
  BEGIN
    IF extract(epoch FROM value::interval) BETWEEN 1 AND 366 * 86400 THEN
      RETURN value;
    END IF;
  EXCEPTION WHEN data_exception THEN
    NULL;
  END;
  RAISE EXCEPTION USING ERRCODE = '22023',
    MESSAGE = format('field "sync_frequency" cannot be "%s"', value),
    HINT = 'Use "continuous", or an interval such as "4h" between a second and a year.';
END
$$;

-- Cursors are base64 of a decimal number, as they stand in answers; a JSON number is taken as it is.
CREATE FUNCTION sequin._cursor(number bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN encode(convert_to(number::text, 'UTF8'), 'base64');

CREATE FUNCTION sequin._param_cursor(params jsonb) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  value text;
BEGIN
  IF jsonb_typeof(params -> 'after_cursor') = 'number' THEN
    RETURN sequin._param_integer(params, 'after_cursor', 0, 9223372036854775807);
  END IF;
  value := sequin._param_text(params, 'after_cursor', 100);
  BEGIN
    value := convert_from(decode(value, 'base64'), 'UTF8');
    IF value ~ '^[0-9]+$' THEN
      RETURN value::bigint;
    END IF;
  EXCEPTION WHEN data_exception THEN
    value := '';
  END;
  IF value IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'field "after_cursor" is no cursor',
      HINT = 'Pass the "cursor" or "seq" of an earlier answer, or leave the field out to begin at the start.';
  END IF;
  RETURN NULL;
END
$$;

-- Cursors of lists that go by name.
CREATE FUNCTION sequin._text_cursor(name text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT translate(encode(convert_to(name, 'UTF8'), 'base64'), E'\n', '') $$;

CREATE FUNCTION sequin._param_text_cursor(params jsonb) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  value text := sequin._param_text(params, 'after_cursor');
BEGIN
  RETURN coalesce(convert_from(decode(value, 'base64'), 'UTF8'), '');
EXCEPTION WHEN data_exception THEN
  RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'field "after_cursor" is no cursor',
    HINT = 'Pass the "cursor" of an earlier answer, or leave the field out to begin at the start.';
END
$$;

CREATE FUNCTION sequin._param_limit(params jsonb, usual integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT coalesce(sequin._param_integer(params, 'limit', 1, 1000)::integer, usual) $$;

-- What a named form was given: the fields that are not null. The inner objects stay as they are.
CREATE FUNCTION sequin._given(params jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT coalesce(jsonb_object_agg(key, value) FILTER (WHERE value <> 'null'), '{}') FROM jsonb_each(params) $$;
