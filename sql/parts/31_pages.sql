-- Pages: what the engine reads from an answer, and how it applies one. A `spec` is the manifest's
-- collection in the form that the engine composes once:
--   records, key [..] (null: the parent), created, updated, version {path, as}, ignore [..], drop [..],
--   gone (predicate), next, more, total, field (keyset), time {path, as} (what bounds and marks go by),
--   error {code, message}, rules [predicate or null]

CREATE FUNCTION sequin._texts(list jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT coalesce(array_agg(v ORDER BY n), '{}') FROM jsonb_array_elements_text(list) WITH ORDINALITY AS t(v, n) $$;

-- The facts of one answer. A path that is absent from the spec gives null.
CREATE FUNCTION sequin._read_page(
  page jsonb, spec jsonb, parent text,
  OUT rows bigint, OUT first_key text, OUT last_key text, OUT last_field text,
  OUT min_time timestamptz, OUT max_time timestamptz, OUT last_time timestamptz,
  OUT next text, OUT more boolean, OUT total bigint, OUT digest bigint, OUT rule_hits text,
  OUT error_code text, OUT error_message text)
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- the list itself: `records` without its [*]
  list jsonb := jsonb_path_query_first(page, left(spec ->> 'records', -3)::jsonpath, '{}', true);
  keys jsonpath[] := (SELECT array_agg(k::jsonpath ORDER BY n) FROM jsonb_array_elements_text(spec -> 'key') WITH ORDINALITY AS t(k, n));
  time_path jsonpath := spec #>> '{time,path}';
  time_as text := spec #>> '{time,as}';
BEGIN
  rows := 0;
  IF jsonb_typeof(list) = 'array' THEN
    rows := jsonb_array_length(list);
  END IF;
  IF rows > 0 THEN
    first_key := sequin._key(list -> 0, keys, parent);
    last_key := sequin._key(list -> -1, keys, parent);
    last_field := jsonb_path_query_first(list -> -1, (spec ->> 'field')::jsonpath, '{}', true) #>> '{}';
    last_time := sequin._time(jsonb_path_query_first(list -> -1, time_path, '{}', true), time_as);
    digest := hashtextextended(concat_ws(' ', rows, jsonb_hash_extended(list -> 0, 0), jsonb_hash_extended(list -> -1, 0)), 0);
    IF time_path IS NOT NULL THEN
      SELECT min(t), max(t) INTO min_time, max_time
      FROM jsonb_array_elements(list) AS e(doc),
           LATERAL (SELECT sequin._time(jsonb_path_query_first(e.doc, time_path, '{}', true), time_as) AS t) AS q;
    END IF;
  END IF;
  next := nullif(jsonb_path_query_first(page, (spec ->> 'next')::jsonpath, '{}', true) #>> '{}', '');
  more := CASE jsonb_path_query_first(page, (spec ->> 'more')::jsonpath, '{}', true) #>> '{}'
          WHEN 'true' THEN true WHEN 'false' THEN false END;
  total := CASE WHEN jsonb_typeof(jsonb_path_query_first(page, (spec ->> 'total')::jsonpath, '{}', true)) = 'number'
           THEN trunc((jsonb_path_query_first(page, (spec ->> 'total')::jsonpath, '{}', true) #>> '{}')::numeric)::bigint END;
  error_code := left(jsonb_path_query_first(page, (spec #>> '{error,code}')::jsonpath, '{}', true) #>> '{}', 200);
  error_message := left(jsonb_path_query_first(page, (spec #>> '{error,message}')::jsonpath, '{}', true) #>> '{}', 500);
  SELECT coalesce(string_agg(CASE WHEN jsonb_typeof(r) = 'string'
                                   AND coalesce(jsonb_path_match(page, (r #>> '{}')::jsonpath, '{}', true), false)
                             THEN '1' ELSE '0' END, '' ORDER BY n), '')
  INTO rule_hits
  FROM jsonb_array_elements(spec -> 'rules') WITH ORDINALITY AS t(r, n);
END
$$;

-- _apply with the paths of a spec.
CREATE FUNCTION sequin._apply_spec(
  a_sync integer, a_collection smallint, keys text[], docs jsonb[], asked timestamptz[], gones boolean[], parents text[],
  spec jsonb, oldest timestamptz, origin "char", touch boolean,
  OUT changed bigint, OUT first_seq bigint, OUT last_seq bigint)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT a.changed, a.first_seq, a.last_seq
  FROM sequin._apply(a_sync, a_collection, keys, docs, asked, gones, parents,
    (spec #>> '{created,path}')::jsonpath, spec #>> '{created,as}', (spec #>> '{updated,path}')::jsonpath, spec #>> '{updated,as}',
    (spec #>> '{version,path}')::jsonpath, spec #>> '{version,as}', sequin._texts(spec -> 'ignore'), oldest, origin, touch) AS a
$$;

-- Records that were set aside and could be stored now are no errors any more.
CREATE FUNCTION sequin._heal(a_sync integer, a_collection smallint, keys text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM sequin._sync_errors AS x WHERE x.sync = a_sync AND x.collection = a_collection) THEN
    RETURN;
  END IF;
  DELETE FROM sequin._sync_errors AS x
  WHERE x.sync = a_sync AND x.collection = a_collection AND x.upstream_id = ANY (keys);
  IF NOT EXISTS (SELECT FROM sequin._sync_errors AS x WHERE x.sync = a_sync AND x.collection = a_collection) THEN
    DELETE FROM sequin._health AS h USING sequin._collections AS c
    WHERE c.sync = a_sync AND c.collection = a_collection AND h.sync = a_sync AND h.part = c.id AND h.code = 'records_set_aside';
  END IF;
END
$$;

-- Applies a page of a list. `sweep`: its keys are noted as seen. Records without a usable key come
-- back in `refused`.
CREATE FUNCTION sequin._apply_page(
  a_sync integer, a_collection smallint, page jsonb, spec jsonb, asked_at timestamptz, parent text,
  oldest timestamptz, origin "char", touch boolean, sweep boolean,
  OUT rows bigint, OUT changed bigint, OUT first_seq bigint, OUT last_seq bigint, OUT refused jsonb)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  e record;
BEGIN
  SELECT * INTO e FROM sequin._explode(page, (spec ->> 'records')::jsonpath,
    (SELECT array_agg(k::jsonpath ORDER BY n) FROM jsonb_array_elements_text(spec -> 'key') WITH ORDINALITY AS t(k, n)),
    parent, sequin._texts(spec -> 'drop'), (spec ->> 'gone')::jsonpath);
  rows := cardinality(e.keys);
  SELECT a.changed, a.first_seq, a.last_seq INTO changed, first_seq, last_seq
  FROM sequin._apply_spec(a_sync, a_collection, e.keys, e.docs, array_fill(asked_at, ARRAY[rows::integer]), e.gones,
    CASE WHEN parent IS NOT NULL THEN array_fill(parent, ARRAY[rows::integer]) END, spec, oldest, origin, touch) AS a;
  PERFORM sequin._heal(a_sync, a_collection, e.keys);
  IF sweep THEN
    INSERT INTO sequin._sweep_keys (sync, collection, upstream_id)
    SELECT a_sync, a_collection, k FROM unnest(e.keys) AS k ON CONFLICT DO NOTHING;
  END IF;
  refused := to_jsonb(e.refused);
END
$$;

-- One record read by its key. The document may be null when it is gone. The answer fulfils a wish
-- to read it again only if it was asked for after the wish.
CREATE FUNCTION sequin._apply_one(
  a_sync integer, a_collection smallint, a_key text, doc jsonb, spec jsonb, asked_at timestamptz, gone boolean, origin "char",
  oldest timestamptz, OUT changed bigint, OUT first_seq bigint, OUT last_seq bigint)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  is_gone boolean := gone OR coalesce(jsonb_path_match(doc, (spec ->> 'get_gone')::jsonpath, '{}', true), false)
                     OR coalesce(jsonb_path_match(doc, (spec ->> 'gone')::jsonpath, '{}', true), false);
BEGIN
  SELECT a.changed, a.first_seq, a.last_seq INTO changed, first_seq, last_seq
  FROM sequin._apply_spec(a_sync, a_collection, ARRAY[a_key], ARRAY[sequin._without(doc, sequin._texts(spec -> 'drop'))],
    ARRAY[asked_at], ARRAY[is_gone], NULL, spec, oldest, origin, true) AS a;
  DELETE FROM sequin._rereads AS w
  WHERE w.sync = a_sync AND w.collection = a_collection AND w.upstream_id = a_key AND w.wanted_at <= asked_at;
  PERFORM sequin._heal(a_sync, a_collection, ARRAY[a_key]);
END
$$;

-- A page of a feed. `routes` is {type: {"collection": n, "spec": {..}, "children": [{"collection", "embedded"}]}}; `feed` has records, id, type,
-- object, time, gone, skip, trust {path, equals}. `fresh` are the ids not seen before; `clock_offset` is
-- our clock minus the provider's; `grain` and `margin` say how sure a time is.
-- An event's document is used when it is trusted, no other event of its object shares its moment, and
-- the stored copy is certainly older; if the stored copy is certainly newer the event says nothing new;
-- all others are put down to be read again. A document in the feed counts as asked for at the end of its
-- event's moment, but not after the feed itself was.
CREATE FUNCTION sequin._apply_feed_page(
  a_sync integer, page jsonb, feed jsonb, routes jsonb, fresh text[], asked_at timestamptz, clock_offset interval, grain interval, margin interval,
  oldest timestamptz, OUT collection smallint, OUT changed bigint, OUT first_seq bigint, OUT last_seq bigint, OUT rereads bigint)
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
  batch record;
BEGIN
  FOR batch IN
    WITH events AS (
      SELECT e.ord, e.event, r.route,
             sequin._time(jsonb_path_query_first(e.event, (feed #>> '{time,path}')::jsonpath, '{}', true), feed #>> '{time,as}') + clock_offset AS happened,
             jsonb_path_query_first(e.event, (feed ->> 'object')::jsonpath, '{}', true) AS doc,
             coalesce(jsonb_path_match(e.event, (feed ->> 'gone')::jsonpath, '{}', true), false) AS gone,
             feed -> 'trust' IS NULL OR jsonb_path_query_first(e.event, (feed #>> '{trust,path}')::jsonpath, '{}', true) #>> '{}'
                                        = feed #>> '{trust,equals}' AS trusted
      FROM jsonb_path_query(page, (feed ->> 'records')::jsonpath, '{}', true) WITH ORDINALITY AS e(event, ord),
           LATERAL (SELECT routes -> (jsonb_path_query_first(e.event, (feed ->> 'type')::jsonpath, '{}', true) #>> '{}') AS route) AS r
      WHERE jsonb_path_query_first(e.event, (feed ->> 'id')::jsonpath, '{}', true) #>> '{}' = ANY (fresh)
        AND r.route IS NOT NULL
        AND NOT coalesce(jsonb_path_match(e.event, (feed ->> 'skip')::jsonpath, '{}', true), false)
    ), keyed AS (
      SELECT v.*, (v.route ->> 'collection')::smallint AS number,
             sequin._key(v.doc, (SELECT array_agg(k::jsonpath ORDER BY n)
                                 FROM jsonb_array_elements_text(v.route #> '{spec,key}') WITH ORDINALITY AS t(k, n)), NULL) AS key
      FROM events AS v
      WHERE v.happened IS NOT NULL AND jsonb_typeof(v.doc) = 'object'
    ), newest AS (
      SELECT DISTINCT ON (number, key) k.*,
             count(*) OVER (PARTITION BY number, key, happened) > 1 AS shares_moment
      FROM keyed AS k
      WHERE key IS NOT NULL
      ORDER BY number, key, happened DESC, ord
    ), judged AS (
      SELECT n.*,
             (SELECT r.asked_at FROM sequin._records AS r
              WHERE r.sync = a_sync AND r.collection = n.number AND r.upstream_id = n.key) AS stored
      FROM newest AS n
    )
    SELECT j.number, j.use, array_agg(j.key ORDER BY j.ord DESC) AS keys, array_agg(j.doc ORDER BY j.ord DESC) AS docs,
           array_agg(least(j.happened + grain, _apply_feed_page.asked_at) ORDER BY j.ord DESC) AS asked, array_agg(j.gone ORDER BY j.ord DESC) AS gones,
           (array_agg(j.route))[1] -> 'spec' AS spec, (array_agg(j.route))[1] -> 'children' AS children
    FROM (SELECT g.*,
                 CASE WHEN g.stored >= g.happened + grain + margin THEN 'nothing'
                      WHEN g.trusted AND NOT g.shares_moment AND coalesce(g.stored < g.happened - margin, true) THEN 'apply'
                      ELSE 'reread' END AS use
          FROM judged AS g) AS j
    GROUP BY j.number, j.use
    ORDER BY j.number, j.use
  LOOP
    -- An event may be about a child that the parent's document does not show, be it ever so new.
    INSERT INTO sequin._child_rereads AS w (sync, collection, parent_id)
    SELECT a_sync, (c ->> 'collection')::smallint, d.key
    FROM jsonb_array_elements(batch.children) AS c, unnest(batch.keys, batch.docs, batch.gones) AS d(key, doc, gone)
    WHERE NOT d.gone AND NOT sequin._carries_children(d.doc, c -> 'embedded')
    ON CONFLICT (sync, collection, parent_id) DO UPDATE SET wanted_at = excluded.wanted_at;
    collection := batch.number;
    changed := 0; first_seq := 0; last_seq := 0; rereads := 0;
    IF batch.use = 'apply' THEN
      SELECT a.changed, a.first_seq, a.last_seq INTO changed, first_seq, last_seq
      FROM sequin._apply_spec(a_sync, batch.number, batch.keys,
        (SELECT array_agg(sequin._without(d, sequin._texts(batch.spec -> 'drop')) ORDER BY n) FROM unnest(batch.docs) WITH ORDINALITY AS t(d, n)),
        batch.asked, batch.gones, NULL, batch.spec, oldest, 'l', true) AS a;
    ELSIF batch.use = 'reread' THEN
      INSERT INTO sequin._rereads AS w (sync, collection, upstream_id, origin)
      SELECT a_sync, batch.number, k, 'l' FROM unnest(batch.keys) AS k
      ON CONFLICT (sync, collection, upstream_id) DO UPDATE SET wanted_at = excluded.wanted_at;
      rereads := cardinality(batch.keys);
    END IF;
    RETURN NEXT;
  END LOOP;
END
$$;

-- Ids and time bounds of a feed page, newest first as the page is.
CREATE FUNCTION sequin._feed_ids(page jsonb, feed jsonb) RETURNS TABLE (id text, happened timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_path_query_first(e.event, (feed ->> 'id')::jsonpath, '{}', true) #>> '{}',
         sequin._time(jsonb_path_query_first(e.event, (feed #>> '{time,path}')::jsonpath, '{}', true), feed #>> '{time,as}')
  FROM jsonb_path_query(page, (feed ->> 'records')::jsonpath, '{}', true) WITH ORDINALITY AS e(event, ord)
  ORDER BY e.ord
$$;

-- Whether a parent's document carries the complete list of its children.
CREATE FUNCTION sequin._carries_children(doc jsonb, embedded jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT embedded ->> 'records' IS NOT NULL
         AND jsonb_path_exists(doc, left(embedded ->> 'records', -3)::jsonpath, '{}', true)
         AND NOT coalesce(jsonb_path_match(doc, (embedded ->> 'more')::jsonpath, '{}', true), false)
$$;

-- Children. Parents that changed after `after_seq`, oldest change first, at most `n`; `is_whole` says
-- that the parent's document carries the complete list of its children.
CREATE FUNCTION sequin._parents_after(
  a_sync integer, parent_collection smallint, after_seq bigint, n integer, embedded jsonb)
RETURNS TABLE (upstream_id text, updated_idx bigint, deleted boolean, is_whole boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT r.upstream_id, r.updated_idx, r.deleted,
         r.deleted OR sequin._carries_children(r.data, embedded)
  FROM sequin._records AS r
  WHERE r.sync = a_sync AND r.collection = parent_collection AND r.updated_idx > after_seq
    AND r.updated_idx > 0
  ORDER BY r.updated_idx
  LIMIT n
$$;

-- Applies the children that the named parents carry whole; what a parent no longer has is gone, and
-- with a deleted parent all of it.
CREATE FUNCTION sequin._apply_embedded(
  a_sync integer, a_collection smallint, parent_collection smallint, parents text[], spec jsonb, embedded jsonb, origin "char",
  OUT rows bigint, OUT changed bigint, OUT first_seq bigint, OUT last_seq bigint)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  key_paths jsonpath[] := (SELECT array_agg(k::jsonpath ORDER BY n) FROM jsonb_array_elements_text(spec -> 'key') WITH ORDINALITY AS t(k, n));
  b record;
BEGIN
  WITH chosen AS (
    SELECT p.upstream_id AS parent, p.asked_at, p.deleted, p.data
    FROM unnest(parents) AS n(id)
    JOIN sequin._records AS p ON p.sync = a_sync AND p.collection = parent_collection AND p.upstream_id = n.id
  ), present AS (
    SELECT c.parent, c.asked_at, sequin._key(d.doc, key_paths, c.parent) AS key,
           sequin._without(d.doc, sequin._texts(spec -> 'drop')) AS doc, false AS gone
    FROM chosen AS c, jsonb_path_query(c.data, (embedded ->> 'records')::jsonpath, '{}', true) AS d(doc)
    WHERE NOT c.deleted AND jsonb_typeof(d.doc) = 'object'
  ), absent AS (
    SELECT c.parent, c.asked_at, r.upstream_id, NULL::jsonb, true
    FROM chosen AS c
    JOIN sequin._records AS r ON r.sync = a_sync AND r.collection = a_collection AND r.parent_id = c.parent
    WHERE NOT r.deleted AND NOT EXISTS (SELECT FROM present AS q WHERE q.key = r.upstream_id)
  )
  SELECT array_agg(key) AS keys, array_agg(doc) AS docs, array_agg(asked_at) AS asked, array_agg(gone) AS gones,
         array_agg(parent) AS of_parents
  INTO b
  FROM (SELECT * FROM present WHERE key IS NOT NULL UNION ALL SELECT * FROM absent) AS u(parent, asked_at, key, doc, gone);
  rows := coalesce(cardinality(b.keys), 0);
  changed := 0; first_seq := 0; last_seq := 0;
  IF rows > 0 THEN
    SELECT a.changed, a.first_seq, a.last_seq INTO changed, first_seq, last_seq
    FROM sequin._apply_spec(a_sync, a_collection, b.keys, b.docs, b.asked, b.gones, b.of_parents, spec, NULL, origin, true) AS a;
  END IF;
END
$$;

CREATE FUNCTION sequin._want_children(a_sync integer, a_collection smallint, parents text[]) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO sequin._child_rereads AS w (sync, collection, parent_id)
  SELECT a_sync, a_collection, p FROM unnest(parents) AS p
  ON CONFLICT (sync, collection, parent_id) DO UPDATE SET wanted_at = excluded.wanted_at
$$;

-- After a parent's children were all read: what it no longer has is gone, and the wish is fulfilled if
-- it was older than the reading.
CREATE FUNCTION sequin._apply_absent_children(
  a_sync integer, a_collection smallint, parent text, seen text[], asked_at timestamptz, spec jsonb, origin "char",
  OUT changed bigint, OUT first_seq bigint, OUT last_seq bigint)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  DELETE FROM sequin._child_rereads AS w
  WHERE w.sync = a_sync AND w.collection = a_collection AND w.parent_id = parent AND w.wanted_at <= asked_at;
  SELECT sequin._heal(a_sync, a_collection, array_agg(x.upstream_id))
  FROM sequin._sync_errors AS x
  WHERE x.sync = a_sync AND x.collection = a_collection AND x.parent_id = parent AND x.upstream_id <> ALL (seen);
  SELECT a.changed, a.first_seq, a.last_seq
  FROM (SELECT coalesce(array_agg(r.upstream_id), '{}') AS keys
        FROM sequin._records AS r
        WHERE r.sync = a_sync AND r.collection = a_collection AND r.parent_id = parent AND NOT r.deleted
          AND r.upstream_id <> ALL (seen)) AS m,
       LATERAL sequin._apply_spec(a_sync, a_collection, m.keys, array_fill(NULL::jsonb, ARRAY[cardinality(m.keys)]),
         array_fill(asked_at, ARRAY[cardinality(m.keys)]), array_fill(true, ARRAY[cardinality(m.keys)]), NULL, spec, NULL, origin, true) AS a
$$;

-- The end of a sweep that saw everything since `started`. Records it did not see are gone, or, with
-- `verify`, put down to be read again. More than the allowed share of them: nothing is done.
CREATE FUNCTION sequin._finish_sweep(
  a_sync integer, a_collection smallint, started timestamptz, max_ratio double precision, verify boolean, spec jsonb,
  OUT live bigint, OUT missing bigint, OUT refused boolean, OUT changed bigint, OUT first_seq bigint, OUT last_seq bigint)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  gone_keys text[];
BEGIN
  SELECT count(*), coalesce(array_agg(r.upstream_id) FILTER (WHERE r.asked_at < started AND k.upstream_id IS NULL), '{}')
  INTO live, gone_keys
  FROM sequin._records AS r
  LEFT JOIN sequin._sweep_keys AS k USING (sync, collection, upstream_id)
  WHERE r.sync = a_sync AND r.collection = a_collection AND NOT r.deleted;
  missing := cardinality(gone_keys);
  -- a handful may vanish from a small collection
  refused := missing > greatest(10, max_ratio * live);
  changed := 0; first_seq := 0; last_seq := 0;
  IF NOT refused AND verify THEN
    INSERT INTO sequin._rereads AS w (sync, collection, upstream_id, origin)
    SELECT a_sync, a_collection, k, 's' FROM unnest(gone_keys) AS k
    ON CONFLICT (sync, collection, upstream_id) DO UPDATE SET wanted_at = excluded.wanted_at;
  ELSIF NOT refused AND missing > 0 THEN
    SELECT a.changed, a.first_seq, a.last_seq INTO changed, first_seq, last_seq
    FROM sequin._apply_spec(a_sync, a_collection, gone_keys, array_fill(NULL::jsonb, ARRAY[missing::integer]),
      array_fill(started, ARRAY[missing::integer]), array_fill(true, ARRAY[missing::integer]), NULL, spec, NULL, 's', true) AS a;
  END IF;
  DELETE FROM sequin._sweep_keys AS k WHERE k.sync = a_sync AND k.collection = a_collection;
END
$$;

-- Sets a record aside: one row per key, or per content where there is no key.
CREATE FUNCTION sequin._set_aside(
  a_sync integer, a_collection smallint, a_key text, a_sqlstate text, a_reason text, an_excerpt text,
  a_parent text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO sequin._sync_errors AS x (sync, collection, upstream_id, parent_id, sqlstate, reason, excerpt, digest, next_attempt_at)
  VALUES (a_sync, a_collection, a_key, a_parent, a_sqlstate, a_reason, left(an_excerpt, 8192), sha256(convert_to(an_excerpt, 'UTF8')),
          CASE WHEN a_key IS NOT NULL THEN clock_timestamp() + interval '1 minute' END)
  ON CONFLICT (sync, collection, coalesce(upstream_id, ''), (CASE WHEN upstream_id IS NULL THEN digest END)) DO UPDATE SET
    sqlstate = excluded.sqlstate, reason = excluded.reason, excerpt = excluded.excerpt, digest = excluded.digest,
    attempts = x.attempts + 1, last_seen_at = clock_timestamp(),
    next_attempt_at = CASE WHEN a_key IS NOT NULL THEN clock_timestamp()
      + CASE WHEN x.attempts < 2 THEN interval '1 minute' WHEN x.attempts < 3 THEN interval '1 hour' ELSE interval '1 day' END END
$$;
