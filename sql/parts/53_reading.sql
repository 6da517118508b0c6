-- Reading: pages of records and events as JSON, by cursor. The views are in 60_access.sql.

-- The words for the letters stored in events. Bodies parsed when created: inlined, and safe without a path.
CREATE FUNCTION sequin._event_word(letter "char") RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE letter WHEN 'c' THEN 'created' WHEN 'u' THEN 'updated' WHEN 'd' THEN 'deleted' END;

CREATE FUNCTION sequin._origin_word(letter "char") RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE letter WHEN 'b' THEN 'backfill' WHEN 'l' THEN 'live' WHEN 's' THEN 'sweep' WHEN 'm' THEN 'mutation'
                   WHEN 'r' THEN 'repair' END;

-- The (sync, collection) pairs that a reader means.
CREATE FUNCTION sequin._sources(actor text, params jsonb) RETURNS TABLE (sync integer, collection smallint)
LANGUAGE plpgsql STABLE ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  a_sync integer;
  a_provider text := sequin._param_text(params, 'provider');
  a_collection text := sequin._param_text(params, 'collection_id');
BEGIN
  IF params ->> 'sync_id' IS NOT NULL THEN
    a_sync := (sequin._sync_to_read(actor, sequin._param_text(params, 'sync_id'))).key;
  END IF;
  IF a_collection <> sequin._param_text(params, 'collection') THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'both "collection_id" and "collection" are given, and differ',
      HINT = 'Give one of them.';
  END IF;
  a_collection := coalesce(a_collection, sequin._param_text(params, 'collection'));
  IF a_sync IS NOT NULL THEN
    RETURN QUERY
    SELECT c.sync, c.collection FROM sequin._collections AS c JOIN sequin._syncs AS s ON s.key = c.sync
    WHERE c.sync = a_sync AND (a_collection IS NULL OR c.id = a_collection)
      AND (a_provider IS NULL OR s.provider = a_provider);
  ELSE
    RETURN QUERY
    SELECT c.sync, c.collection FROM sequin._collections AS c JOIN sequin._syncs AS s ON s.key = c.sync
    WHERE s.deleted_at IS NULL AND s.key IN (SELECT sequin._visible_syncs(actor))
      AND (a_collection IS NULL OR c.id = a_collection) AND (a_provider IS NULL OR s.provider = a_provider);
  END IF;
END
$$;

CREATE FUNCTION sequin._record_json(r sequin._records) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_build_object(
    'id', sequin._record_id(s.id, c.id, r.upstream_id),
    'sync_id', s.id,
    'sync', jsonb_build_object('id', s.id, 'external_id', s.external_id, 'metadata', s.metadata),
    'provider', s.provider,
    'collection_id', c.id,
    'upstream_id', r.upstream_id,
    'data', r.data,
    'deleted', r.deleted,
    'updated_idx', r.updated_idx,
    'upstream_created_at', sequin._iso(r.upstream_created_at),
    'upstream_updated_at', sequin._iso(r.upstream_updated_at),
    'inserted_at', sequin._iso(r.inserted_at))
  FROM sequin._syncs AS s JOIN sequin._collections AS c ON c.sync = s.key
  WHERE s.key = r.sync AND c.collection = r.collection
$$;

CREATE FUNCTION sequin.list_records(params jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

-- Records by the number of their last event. Each collection is read from its own index, so that the
-- work is bounded by the number of collections and the limit, not by the number of records.
CREATE FUNCTION sequin._do_list_records(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  limited integer := sequin._param_limit(params, 100);
  after bigint := sequin._param_cursor(params);
  direction text := coalesce(sequin._param_word(params, 'order', '{asc,desc}'), 'asc');
  upstream text := sequin._param_text(params, 'upstream_id', 2000);
  sources jsonb;
  answer jsonb;
BEGIN
  PERFORM sequin._only(params, '{sync_id,provider,collection_id,collection,upstream_id,after_cursor,limit,order}');
  EXECUTE format($sql$
    WITH keys AS MATERIALIZED (
      SELECT n.sync, n.collection, i.updated_idx
      FROM sequin._sources($1, $2) AS n,
           LATERAL (
             SELECT r.updated_idx FROM sequin._records AS r
             WHERE r.sync = n.sync AND r.collection = n.collection AND r.updated_idx > 0 %1$s %2$s
             ORDER BY r.updated_idx %3$s
             LIMIT $3) AS i
      ORDER BY i.updated_idx %3$s
      LIMIT $3
    )
    SELECT jsonb_build_object(
      'records', coalesce(jsonb_agg(sequin._record_json(r) ORDER BY k.updated_idx %3$s), '[]'),
      'cursor', coalesce(sequin._cursor((array_agg(k.updated_idx ORDER BY k.updated_idx %3$s))[count(*)]),
                         sequin._cursor($4)))
    FROM keys AS k,
         LATERAL (SELECT x FROM sequin._records AS x
                  WHERE x.sync = k.sync AND x.collection = k.collection AND x.updated_idx = k.updated_idx
                  OFFSET 0) AS found(r)
    $sql$,
    CASE WHEN after IS NOT NULL THEN 'AND r.updated_idx ' || CASE direction WHEN 'asc' THEN '>' ELSE '<' END || ' $4' END,
    CASE WHEN upstream IS NOT NULL THEN 'AND r.upstream_id = $5' END,
    direction)
  INTO answer USING actor, params, limited, after, upstream;
  RETURN answer;
END
$$;

-- An event as the stream shows it.
CREATE FUNCTION sequin._event_json(e sequin._events, random_bits bigint) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_build_object(
    'sync_id', s.id,
    'provider', s.provider,
    'collection_id', c.id,
    'upstream_id', e.upstream_id,
    'upstream_updated_at', sequin._iso(e.upstream_updated_at),
    'data', e.data,
    'changes', e.changes,
    'event', sequin._event_word(e.event),
    'origin', sequin._origin_word(e.origin),
    'event_id', sequin._event_id(random_bits, e.seq),
    'event_inserted_at', sequin._iso(e.event_inserted_at),
    'seq', sequin._cursor(e.seq))
  FROM sequin._syncs AS s JOIN sequin._collections AS c ON c.sync = s.key
  WHERE s.key = e.sync AND c.collection = e.collection
$$;

CREATE FUNCTION sequin.list_events(params jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

-- Events by number, as a bare array; the last one's `seq` is the cursor for the next page.
CREATE FUNCTION sequin._do_list_events(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  limited integer := sequin._param_limit(params, 100);
  after bigint := sequin._param_cursor(params);
  direction text := coalesce(sequin._param_word(params, 'order', '{asc,desc}'), 'asc');
  event text := sequin._param_word(params, 'event', '{created,updated,deleted}');
  origin text := sequin._param_word(params, 'origin', '{backfill,live,sweep,mutation,repair}');
  upstream text := sequin._param_text(params, 'upstream_id', 2000);
  syncs integer[];
  answer jsonb;
BEGIN
  PERFORM sequin._only(params,
    '{sync_id,provider,collection_id,collection,upstream_id,event,origin,after_cursor,limit,order}');
  IF direction = 'asc' THEN
    PERFORM sequin._require_kept(after);
  END IF;
  -- the planner sees the values, so that it reads the fewest partitions by their best index
  EXECUTE format($sql$
    WITH sources AS MATERIALIZED (SELECT sync, collection FROM sequin._sources($1, $2)),
    page AS MATERIALIZED (
      SELECT e FROM sequin._events AS e
      WHERE (e.sync, e.collection) IN (SELECT n.sync, n.collection FROM sources AS n)
        %s %s %s %s %s
      ORDER BY e.seq %s
      LIMIT $3
    )
    SELECT coalesce(jsonb_agg(sequin._event_json(p.e, i.random_bits) ORDER BY (p.e).seq %6$s), '[]')
    FROM page AS p LEFT JOIN sequin._instance AS i ON true
    $sql$,
    CASE WHEN after IS NOT NULL THEN 'AND e.seq ' || CASE direction WHEN 'asc' THEN '>' ELSE '<' END || ' $4' END,
    CASE WHEN params ->> 'sync_id' IS NOT NULL THEN 'AND e.sync = $5' END,
    CASE WHEN upstream IS NOT NULL THEN 'AND e.upstream_id = $6' END,
    CASE WHEN event IS NOT NULL THEN 'AND e.event = $7' END,
    CASE WHEN origin IS NOT NULL THEN 'AND e.origin = $8' END,
    direction)
  INTO answer
  USING actor, params, limited, after,
    (SELECT s.key FROM sequin._syncs AS s WHERE s.id = params ->> 'sync_id'), upstream,
    left(event, 1)::"char", left(origin, 1)::"char";
  RETURN answer;
END
$$;

-- A cursor before the oldest event kept is refused: what lies between was removed, and to go on
-- silently would be to skip it. Before the first removal every cursor is good.
CREATE FUNCTION sequin._require_kept(after bigint) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  oldest bigint := (SELECT e.seq FROM sequin._events AS e ORDER BY e.seq LIMIT 1);
  left_out bigint;
BEGIN
  IF after + 1 >= oldest OR oldest IS NULL OR after IS NULL THEN
    RETURN;
  END IF;
  -- numbers that were never given to an event are not missing
  SELECT coalesce(sum(least(g.last_seq, oldest - 1) - greatest(g.first_seq, after + 1) + 1), 0) INTO left_out
  FROM sequin._gaps AS g
  WHERE g.first_seq < oldest AND g.last_seq > after;
  IF oldest - 1 - after > left_out THEN
    RAISE EXCEPTION USING ERRCODE = 'SQ005', MESSAGE = 'the cursor is older than the oldest event kept',
      DETAIL = format('The oldest cursor is "%s".', sequin._cursor(oldest - 1)),
      HINT = 'Begin anew from sequin.list_records, or go on from the oldest cursor and miss what lies between.';
  END IF;
END
$$;

CREATE FUNCTION sequin.get_event(params jsonb) RETURNS jsonb
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.get_event(id text) RETURNS jsonb
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin._do_get_event(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  id text;
  bits bigint := (SELECT i.random_bits FROM sequin._instance AS i);
  answer jsonb;
BEGIN
  PERFORM sequin._only(params, '{id,event_id}');
  id := coalesce(sequin._param_text(params, 'event_id'), sequin._param_text(params, 'id'));
  IF id IS NULL THEN
    PERFORM sequin._missing('event_id');
  ELSIF id !~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'field "event_id" is no uuid';
  END IF;
  SELECT sequin._event_json(e, bits) INTO answer
  FROM sequin._events AS e
  WHERE e.seq = sequin._event_seq(id::uuid)
    AND sequin._event_id(bits, e.seq) = id::uuid
    AND e.sync IN (SELECT sequin._visible_syncs(actor));
  IF answer IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('there is no event "%s"', id),
      HINT = 'Events are kept for a time only; the record itself is in sequin.records.';
  END IF;
  RETURN answer;
END
$$;
