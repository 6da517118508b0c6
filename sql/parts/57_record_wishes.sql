-- Wishes about single records: read again now, or erase.

-- Puts down what is wanted of one record.
CREATE FUNCTION sequin._wish(actor text, params jsonb, a_wish text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  s sequin._syncs;
  c sequin._collections;
  key text;
BEGIN
  PERFORM sequin._only(params, '{sync_id,collection_id,collection,upstream_id}');
  s := sequin._sync_to_change(actor, sequin._need_text(params, 'sync_id', 200));
  c := sequin._collection_of(s, coalesce(sequin._param_text(params, 'collection'),
                                         sequin._need_text(params, 'collection_id')));
  key := sequin._need_text(params, 'upstream_id', 2000);
  IF a_wish = 'resync' AND NOT EXISTS (
    SELECT FROM sequin._collection_specs(s.provider) AS k WHERE k.id = c.id AND k.spec ? 'get') THEN
    RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('the API does not offer "%s" one by one', c.id),
      HINT = 'Read the whole sync again with sequin.refresh_sync.';
  END IF;
  INSERT INTO sequin._record_wishes (sync, collection, upstream_id, wish) VALUES (s.key, c.collection, key, a_wish);
  PERFORM sequin._changed(s.key);
  RETURN jsonb_build_object('sync_id', s.id, 'collection_id', c.id, 'upstream_id', key, 'wish', a_wish);
END
$$;

CREATE FUNCTION sequin._collection_of(s sequin._syncs, collection_id text) RETURNS sequin._collections
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  c sequin._collections;
BEGIN
  SELECT * INTO c FROM sequin._collections AS x WHERE x.sync = s.key AND x.id = collection_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '42704',
      MESSAGE = format('sync "%s" has no collection "%s"', s.id, left(collection_id, 200)),
      HINT = sequin._perhaps(left(collection_id, 200),
        ARRAY(SELECT x.id FROM sequin._collections AS x WHERE x.sync = s.key ORDER BY x.collection));
  END IF;
  RETURN c;
END
$$;

CREATE FUNCTION sequin.resync_record(params jsonb) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.resync_record(sync_id text, collection_id text, upstream_id text) RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
  SELECT sequin.resync_record(pg_catalog.jsonb_build_object(
    'sync_id', sync_id, 'collection_id', collection_id, 'upstream_id', upstream_id))
$$;

CREATE FUNCTION sequin._do_resync_record(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM sequin._require_workers();
  RETURN sequin._wish(actor, params, 'resync');
END
$$;

CREATE FUNCTION sequin.erase_record(params jsonb) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.erase_record(sync_id text, collection_id text, upstream_id text) RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
  SELECT sequin.erase_record(pg_catalog.jsonb_build_object(
    'sync_id', sync_id, 'collection_id', collection_id, 'upstream_id', upstream_id))
$$;

CREATE FUNCTION sequin._do_erase_record(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM sequin._require_workers();
  RETURN sequin._wish(actor, params, 'erase');
END
$$;
