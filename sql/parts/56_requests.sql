-- What the engine is asked to do at once, and the key that seals secrets.

-- The engine's answer to a request; see engine/requests.h.
CREATE FUNCTION sequin._ask_engine(request jsonb, what text, timeout_ms bigint) RETURNS jsonb
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_ask_engine';

-- The result of an answer; an error in it is raised.
CREATE FUNCTION sequin._result(answer jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF answer ? 'error' THEN
    RAISE EXCEPTION USING ERRCODE = answer #>> '{error,sqlstate}', MESSAGE = answer #>> '{error,message}',
      DETAIL = coalesce(answer #>> '{error,detail}', ''), HINT = coalesce(answer #>> '{error,hint}', '');
  END IF;
  RETURN answer -> 'result';
END
$$;

-- Whether a row version was written by the transaction that asks: nobody else can see it yet.
CREATE FUNCTION sequin._is_uncommitted(row_xmin xid) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT pg_xact_status((((pg_snapshot_xmax(pg_current_snapshot())::text::bigint >> 32) << 32)
                         | row_xmin::text::bigint)::text::xid8) = 'in progress'
$$;

CREATE FUNCTION sequin._do_test_credential(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  c sequin._credentials := sequin._credential_to_use(actor, sequin._only_id(params));
BEGIN
  IF (SELECT sequin._is_uncommitted(x.xmin) FROM sequin._credentials AS x WHERE x.key = c.key) THEN
    RAISE EXCEPTION USING ERRCODE = '55000',
      MESSAGE = format('credential "%s" was made or changed by this transaction', c.id),
      HINT = 'Commit first: the engine sees it only then.';
  END IF;
  RETURN sequin._result(sequin._ask_engine(
    jsonb_build_object('kind', 'test_credential', 'credential', c.key), format('the test of credential "%s"', c.id), 30000));
END
$$;

CREATE FUNCTION sequin._rewrap(place text, sealed bytea) RETURNS bytea
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_rewrap';

CREATE FUNCTION sequin._add_key() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_add_key';

-- A new key is put first in the key file, and every secret is sealed anew with it. Older keys stay in
-- the file: backups may need them.
CREATE FUNCTION sequin._do_rotate_key(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  resealed bigint;
BEGIN
  PERFORM sequin._require_admin(actor, 'rotate the key');
  PERFORM sequin._only(params, '{}');
  PERFORM sequin._add_key();
  UPDATE sequin._credentials AS c SET secrets = sequin._rewrap(c.id, c.secrets), updated_at = now();
  GET DIAGNOSTICS resealed = ROW_COUNT;
  PERFORM sequin._changed(0);
  RETURN jsonb_build_object('resealed', resealed);
END
$$;
