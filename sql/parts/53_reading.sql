-- Reading: pages of records and events as JSON, by cursor. The views are in 60_access.sql.

-- The words for the letters stored in events. Bodies parsed when created: inlined, and safe without a path.
CREATE FUNCTION sequin._event_word(letter "char") RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE letter WHEN 'c' THEN 'created' WHEN 'u' THEN 'updated' WHEN 'd' THEN 'deleted' END;

CREATE FUNCTION sequin._origin_word(letter "char") RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE letter WHEN 'b' THEN 'backfill' WHEN 'l' THEN 'live' WHEN 's' THEN 'sweep' WHEN 'm' THEN 'mutation'
                   WHEN 'r' THEN 'repair' END;

-- The syncs that a reader means, and of each the collection, or NULL for all of them.
CREATE FUNCTION sequin._sources(actor text, params jsonb, OUT syncs integer[], OUT collections smallint[])
RETURNS record
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  a_provider text := sequin._param_text(params, 'provider');
  a_collection text := sequin._param_text(params, 'collection_id');
BEGIN
  IF a_collection <> sequin._param_text(params, 'collection') THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'both "collection_id" and "collection" are given, and differ',
      HINT = 'Give one of them.';
  END IF;
  a_collection := coalesce(a_collection, sequin._param_text(params, 'collection'));
  IF coalesce(params -> 'sync_id', 'null') <> 'null' THEN
    syncs := ARRAY[(sequin._sync_to_read(actor, sequin._param_text(params, 'sync_id'))).key];
  ELSE
    syncs := ARRAY(SELECT sequin._visible_syncs(actor));
  END IF;
  SELECT coalesce(array_agg(s.key ORDER BY s.key), '{}'), array_agg(c.collection ORDER BY s.key)
  INTO syncs, collections
  FROM sequin._syncs AS s
  LEFT JOIN sequin._collections AS c ON c.sync = s.key AND c.id = a_collection
  WHERE s.key = ANY (syncs) AND s.deleted_at IS NULL
    AND (a_provider IS NULL OR s.provider = a_provider) AND (a_collection IS NULL OR c.id IS NOT NULL);
END
$$;

CREATE FUNCTION sequin._record_json(r sequin._records, s sequin._syncs, collection_id text) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN jsonb_build_object(
  'id', sequin._record_id(s.id, collection_id, r.upstream_id),
  'sync_id', s.id,
  'sync', jsonb_build_object('id', s.id, 'external_id', s.external_id, 'metadata', s.metadata),
  'provider', s.provider,
  'collection_id', collection_id,
  'upstream_id', r.upstream_id,
  'data', r.data,
  'deleted', r.deleted,
  'updated_idx', r.updated_idx,
  'upstream_created_at', sequin._iso(r.upstream_created_at),
  'upstream_updated_at', sequin._iso(r.upstream_updated_at),
  'inserted_at', sequin._iso(r.inserted_at));

CREATE FUNCTION sequin.list_records(params jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

-- Records by the number of their last event. Each sync is read from its own index, so that the work is
-- bounded by the number of syncs and the limit, not by the number of records. Of a single sync the
-- planner is told the keys: in a small collection it then looks up all of it instead.
CREATE FUNCTION sequin._do_list_records(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  limited integer := sequin._param_limit(params, 100);
  after bigint := sequin._param_cursor(params);
  direction text := coalesce(sequin._param_word(params, 'order', '{asc,desc}'), 'asc');
  upstream text := sequin._param_text(params, 'upstream_id', 2000);
  sources record := sequin._sources(actor, params);
  is_single boolean := cardinality(sources.syncs) = 1;
  answer jsonb;
BEGIN
  PERFORM sequin._only(params, '{sync_id,provider,collection_id,collection,upstream_id,after_cursor,limit,order}');
  EXECUTE format($sql$
    WITH keys AS MATERIALIZED (
      SELECT n.sync, i.collection, i.updated_idx, i.upstream_id
      FROM unnest($1, $2) AS n(sync, collection),
           LATERAL (
             SELECT r.collection, r.updated_idx, r.upstream_id FROM sequin._records AS r
             WHERE r.sync = %1$s %2$s %3$s %4$s AND r.updated_idx > 0
             ORDER BY r.updated_idx %5$s
             LIMIT $3) AS i
      ORDER BY i.updated_idx %5$s
      LIMIT $3
    )
    SELECT jsonb_build_object(
      'records', coalesce(jsonb_agg(sequin._record_json(f.r, s, c.id) ORDER BY k.updated_idx %5$s), '[]'),
      'cursor', sequin._cursor(coalesce(%6$s(k.updated_idx), $4)))
    FROM keys AS k
    JOIN sequin._syncs AS s ON s.key = k.sync
    JOIN sequin._collections AS c ON c.sync = k.sync AND c.collection = k.collection,
         LATERAL (SELECT x FROM sequin._records AS x
                  WHERE x.sync = k.sync AND x.collection = k.collection AND x.upstream_id = k.upstream_id) AS f(r)
    $sql$,
    CASE WHEN is_single THEN sources.syncs[1]::text ELSE 'n.sync' END,
    CASE WHEN sources.collections[1] IS NOT NULL THEN 'AND r.collection = '
      || CASE WHEN is_single THEN sources.collections[1]::text ELSE 'n.collection' END END,
    CASE WHEN after IS NOT NULL THEN 'AND r.updated_idx ' || CASE direction WHEN 'asc' THEN '>' ELSE '<' END || ' $4' END,
    CASE WHEN upstream IS NOT NULL THEN 'AND r.upstream_id = $5' END,
    direction,
    CASE direction WHEN 'asc' THEN 'max' ELSE 'min' END)
  INTO answer USING sources.syncs, sources.collections, limited, after, upstream;
  RETURN answer;
END
$$;

-- An event as the stream shows it.
CREATE FUNCTION sequin._event_json(e sequin._events, s sequin._syncs, collection_id text, random_bits bigint) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN jsonb_build_object(
  'sync_id', s.id,
  'provider', s.provider,
  'collection_id', collection_id,
  'upstream_id', e.upstream_id,
  'upstream_updated_at', sequin._iso(e.upstream_updated_at),
  'data', e.data,
  'changes', e.changes,
  'event', sequin._event_word(e.event),
  'origin', sequin._origin_word(e.origin),
  'event_id', sequin._event_id(random_bits, e.seq),
  'event_inserted_at', sequin._iso(e.event_inserted_at),
  'seq', sequin._cursor(e.seq));

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
  sources record := sequin._sources(actor, params);
  answer jsonb;
BEGIN
  PERFORM sequin._only(params,
    '{sync_id,provider,collection_id,collection,upstream_id,event,origin,after_cursor,limit,order}');
  IF direction = 'asc' THEN
    PERFORM sequin._require_kept(after);
  END IF;
  -- the planner is told the values, so that it reads the fewest partitions, each by its best index
  EXECUTE format($sql$
    WITH page AS MATERIALIZED (
      SELECT e FROM sequin._events AS e
      WHERE %s %s %s %s %s %s
      ORDER BY e.seq %s
      LIMIT $3
    )
    SELECT coalesce(jsonb_agg(sequin._event_json(p.e, s, c.id, i.random_bits) ORDER BY (p.e).seq %7$s), '[]')
    FROM page AS p
    JOIN sequin._syncs AS s ON s.key = (p.e).sync
    JOIN sequin._collections AS c ON c.sync = (p.e).sync AND c.collection = (p.e).collection
    LEFT JOIN sequin._instance AS i ON true
    $sql$,
    CASE WHEN cardinality(sources.syncs) = 1 THEN 'e.sync = ($1)[1]' ELSE 'e.sync = ANY ($1)' END,
    CASE WHEN sources.collections[1] IS NULL THEN NULL
         WHEN cardinality(sources.syncs) = 1 THEN 'AND e.collection = ($2)[1]'
         ELSE 'AND (e.sync, e.collection) IN (SELECT * FROM unnest($1, $2))' END,
    CASE WHEN after IS NOT NULL THEN 'AND e.seq ' || CASE direction WHEN 'asc' THEN '>' ELSE '<' END || ' $4' END,
    CASE WHEN upstream IS NOT NULL THEN 'AND e.upstream_id = $5' END,
    CASE WHEN event IS NOT NULL THEN 'AND e.event = $6' END,
    CASE WHEN origin IS NOT NULL THEN 'AND e.origin = $7' END,
    direction)
  INTO answer
  USING sources.syncs, sources.collections, limited, after, upstream,
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
  wanted text;
  bits bigint := (SELECT i.random_bits FROM sequin._instance AS i);
  answer jsonb;
BEGIN
  PERFORM sequin._only(params, '{id,event_id}');
  wanted := coalesce(sequin._param_text(params, 'event_id'), sequin._param_text(params, 'id'));
  IF wanted IS NULL THEN
    PERFORM sequin._missing('event_id');
  ELSIF wanted !~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'field "event_id" is no uuid';
  END IF;
  SELECT sequin._event_json(e, s, c.id, bits) INTO answer
  FROM sequin._events AS e
  JOIN sequin._syncs AS s ON s.key = e.sync
  JOIN sequin._collections AS c ON c.sync = e.sync AND c.collection = e.collection
  WHERE e.seq = sequin._event_seq(wanted::uuid)
    AND sequin._event_id(bits, e.seq) = wanted::uuid
    AND e.sync IN (SELECT sequin._visible_syncs(actor));
  IF answer IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('there is no event "%s"', wanted),
      HINT = 'Events are kept for a time only; the record itself is in sequin.records.';
  END IF;
  RETURN answer;
END
$$;
