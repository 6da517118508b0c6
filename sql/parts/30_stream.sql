-- The stream: partitions, numbers, and the one statement that applies documents to records and events.

-- Partitions of events are named _events_<first>_<last>; the catalogue is the only list of them.
CREATE FUNCTION sequin._event_partitions(OUT first_seq bigint, OUT last_seq bigint, OUT relation regclass)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT split_part(c.relname, '_', 3)::bigint, split_part(c.relname, '_', 4)::bigint, c.oid::regclass
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
  WHERE i.inhparent = 'sequin._events'::regclass
  ORDER BY 1
$$;

-- Makes sure that `ahead` numbers beyond the last event have a partition; returns how many were made.
-- A partition is created plain and then attached, so that no reader of the parent is blocked.
CREATE FUNCTION sequin._ensure_event_partitions(ahead bigint, size bigint) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  made integer := 0;
  wanted bigint := sequin._last_seq() + ahead;
  -- numbers of a gap need none
  next_first bigint := greatest((SELECT max(last_seq) FROM sequin._event_partitions()), sequin._last_seq()) + 1;
  name text;
BEGIN
  WHILE next_first <= wanted LOOP
    name := format('_events_%s_%s', next_first, next_first + size - 1);
    EXECUTE format('CREATE TABLE sequin.%I (LIKE sequin._events)', name);
    EXECUTE format('ALTER TABLE sequin.%I ADD PRIMARY KEY (seq)', name);
    EXECUTE format('REVOKE ALL ON sequin.%I FROM PUBLIC', name);
    EXECUTE format('ALTER TABLE sequin._events ATTACH PARTITION sequin.%I FOR VALUES FROM (%s) TO (%s)',
                   name, next_first, next_first + size);
    next_first := next_first + size;
    made := made + 1;
  END LOOP;
  RETURN made;
END
$$;

-- The last number given out: of the newest event, or the end of a gap behind it.
-- Retention never removes the newest event, so the number cannot be forgotten.
-- Without the settings a plan made for empty partitions reads and sorts them when they are full.
CREATE FUNCTION sequin._last_seq() RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_sort = off SET jit = off
AS $$
  SELECT greatest(
    coalesce((SELECT seq FROM sequin._events ORDER BY seq DESC LIMIT 1), 0),
    coalesce((SELECT max(last_seq) FROM sequin._gaps), 0))
$$;

-- The first of `n` numbers, gapless and in commit order: the lock on the empty table is held until
-- the commit, and the last number is read under it with a snapshot of its own.
CREATE FUNCTION sequin._next_seq(n bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF n = 0 THEN
    RETURN 0;
  END IF;
  LOCK TABLE ONLY sequin._stream IN EXCLUSIVE MODE;
  RETURN sequin._last_seq() + 1;
END
$$;

-- A time as the API wrote it; NULL where it is none.
CREATE FUNCTION sequin._time(value jsonb, written_as text) RETURNS timestamptz
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'sequin_time';

-- A text or number as text; NULL for everything else and for empty text.
CREATE FUNCTION sequin._scalar(value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(value) IN ('string', 'number') THEN nullif(value #>> '{}', '') END;

-- The upstream id: one key path gives its scalar as text; several are joined by ':', with ':' and '\'
-- escaped by '\'. NULL where a part is missing or no string or number. The path NULL is the parent's id.
CREATE FUNCTION sequin._key(doc jsonb, paths jsonpath[], parent text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE WHEN bool_and(part IS NOT NULL)
         THEN string_agg(replace(replace(part, '\', '\\'), ':', '\:'), ':' ORDER BY ord) END
  FROM (
    SELECT p.ord,
           CASE WHEN p.path IS NULL THEN parent
                WHEN jsonb_typeof(v) IN ('string', 'number') THEN nullif(v #>> '{}', '') END AS part
    FROM unnest(paths) WITH ORDINALITY AS p(path, ord),
         LATERAL (SELECT jsonb_path_query_first(doc, p.path, '{}', true) AS v) AS q
  ) AS parts
$$;

CREATE FUNCTION sequin._without(doc jsonb, paths text[]) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  path text;
BEGIN
  FOREACH path IN ARRAY paths LOOP
    doc := doc #- string_to_array(path, '.');
  END LOOP;
  RETURN doc;
END
$$;

-- What a document counts as for change: itself without the ignored paths.
CREATE FUNCTION sequin._counted(doc jsonb, ignored text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN ignored = '{}' THEN doc ELSE sequin._without(doc, ignored) END;

-- For each top-level member that differs, its old value; null if it was absent.
CREATE FUNCTION sequin._changes(old jsonb, new jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(jsonb_object_agg(k, coalesce(old -> k, 'null')), '{}')
  FROM jsonb_object_keys(old || new) AS k
  WHERE (old -> k) IS DISTINCT FROM (new -> k)
$$;

-- Applies documents to records and appends their events, in one statement.
--   keys, docs      the copies; a NULL document with `gone` is a delete without a document
--   asked           when, by our clock, the request was sent that brought each copy
--   gones           the record no longer exists
--   *_path/_as      how to read created, updated and version from a document; NULL: it has none
--   parents         in a child collection, the parent of each copy; else NULL
--   touch           also note a newer `asked` on unchanged rows: needed while an older request that may
--                   carry the same keys is still under way
-- Of two copies the newer version wins; without versions, or with equal ones, the one asked for later.
-- Tombstones take part in that. Unchanged copies write nothing.
-- The seqscan and join settings keep the plan the same on an empty, never analysed table.
CREATE FUNCTION sequin._apply(
  a_sync integer, a_collection smallint, keys text[], docs jsonb[], asked timestamptz[], gones boolean[],
  parents text[], created_path jsonpath, created_as text, updated_path jsonpath, updated_as text,
  version_path jsonpath, version_as text, ignored text[], oldest timestamptz, a_origin "char",
  touch boolean,
  OUT changed bigint, OUT first_seq bigint, OUT last_seq bigint)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
BEGIN
  WITH incoming AS (
    SELECT DISTINCT ON (i.key) i.key, i.doc, i.asked, i.gone, i.ord, parents[i.ord] AS parent, t.created, t.version,
           coalesce(t.version, t.updated) AS updated,
           CASE WHEN NOT i.gone THEN jsonb_hash_extended(sequin._counted(i.doc, ignored), 0) END AS fingerprint
    FROM unnest(keys, docs, asked, gones) WITH ORDINALITY AS i(key, doc, asked, gone, ord),
         LATERAL (SELECT sequin._time(jsonb_path_query_first(i.doc, created_path, '{}', true), created_as) AS created,
                         sequin._time(jsonb_path_query_first(i.doc, updated_path, '{}', true), updated_as) AS updated,
                         sequin._time(jsonb_path_query_first(i.doc, version_path, '{}', true), version_as) AS version) AS t
    WHERE i.gone OR oldest IS NULL OR coalesce(t.version, t.updated, t.created, oldest) >= oldest
    ORDER BY i.key, t.version DESC NULLS LAST, i.asked DESC, i.ord DESC
  ), compared AS MATERIALIZED (
    SELECT n.*, o.*,
           CASE WHEN o.old_asked IS NULL THEN true
                WHEN n.version <> o.old_version THEN n.version > o.old_version
                ELSE n.asked >= o.old_asked END AS wins,
           CASE WHEN n.gone THEN CASE WHEN o.old_deleted IS FALSE THEN 'd' END
                WHEN o.old_deleted IS NOT FALSE THEN 'c'
                WHEN n.fingerprint IS DISTINCT FROM o.old_fingerprint
                     AND sequin._counted(n.doc, ignored) <> sequin._counted(o.old_data, ignored) THEN 'u'
           END::"char" AS event
    FROM incoming AS n
    LEFT JOIN LATERAL (
      SELECT r.deleted AS old_deleted, r.version AS old_version, r.asked_at AS old_asked, r.data AS old_data,
             r.fingerprint AS old_fingerprint
      FROM sequin._records AS r
      WHERE r.sync = a_sync AND r.collection = a_collection AND r.upstream_id = n.key
      LIMIT 1) AS o ON true
    WHERE n.gone OR touch
       OR n.fingerprint IS DISTINCT FROM
          (SELECT r.fingerprint FROM sequin._records AS r
           WHERE r.sync = a_sync AND r.collection = a_collection AND r.upstream_id = n.key)
  ), numbers AS MATERIALIZED (
    SELECT sequin._next_seq(n) AS first, n
    FROM (SELECT count(*) AS n FROM compared WHERE wins AND event IS NOT NULL) AS c
  ), written AS MATERIALIZED (
    SELECT c.*, CASE WHEN c.event IS NOT NULL
                THEN s.first - 1 + row_number() OVER (PARTITION BY c.event IS NULL ORDER BY c.ord) END AS seq
    FROM compared AS c, numbers AS s
    WHERE c.wins
  ), upserted AS (
    INSERT INTO sequin._records AS r
      (sync, collection, deleted, upstream_id, parent_id, fingerprint, updated_idx, version, asked_at,
       upstream_created_at, upstream_updated_at, inserted_at, data)
    SELECT a_sync, a_collection, w.gone, w.key, w.parent, w.fingerprint, coalesce(w.seq, 0), w.version, w.asked,
           w.created, w.updated, statement_timestamp(), coalesce(w.doc, '{}')
    FROM written AS w
    ON CONFLICT (sync, collection, upstream_id) DO UPDATE SET
      deleted = excluded.deleted,
      parent_id = coalesce(excluded.parent_id, r.parent_id),
      fingerprint = excluded.fingerprint,
      updated_idx = CASE WHEN excluded.updated_idx > 0 THEN excluded.updated_idx ELSE r.updated_idx END,
      version = coalesce(excluded.version, r.version),
      asked_at = excluded.asked_at,
      upstream_created_at = coalesce(excluded.upstream_created_at, r.upstream_created_at),
      upstream_updated_at = coalesce(excluded.upstream_updated_at, r.upstream_updated_at),
      -- a delete keeps the last known document; a copy that is no change keeps what is there
      data = CASE WHEN excluded.deleted OR excluded.updated_idx = 0 THEN r.data ELSE excluded.data END
  ), logged AS (
    INSERT INTO sequin._events
      (seq, sync, collection, event, origin, event_inserted_at, upstream_updated_at, upstream_id, data, changes)
    SELECT w.seq, a_sync, a_collection, w.event, a_origin, statement_timestamp(), w.updated, w.key,
           CASE WHEN w.event = 'd' THEN w.old_data ELSE w.doc END,
           CASE WHEN w.event = 'u'
                THEN sequin._changes(sequin._counted(w.old_data, ignored), sequin._counted(w.doc, ignored)) END
    FROM written AS w
    WHERE w.seq IS NOT NULL
    ORDER BY w.seq
  )
  SELECT s.n, s.first, s.first + s.n - 1 INTO changed, first_seq, last_seq FROM numbers AS s;
END
$$;

-- The copies in a page: keys, documents without dropped members, whether a field says they are gone;
-- and, apart, what has no usable key or is no object.
CREATE FUNCTION sequin._explode(
  page jsonb, records_path jsonpath, key_paths jsonpath[], parent text, dropped text[], gone_when jsonpath,
  OUT keys text[], OUT docs jsonb[], OUT gones boolean[], OUT refused jsonb[])
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  -- the rows come in the order of the page, and array_agg keeps it
  SELECT coalesce(array_agg(key) FILTER (WHERE is_usable), '{}'),
         coalesce(array_agg(CASE WHEN dropped = '{}' THEN doc ELSE sequin._without(doc, dropped) END)
                  FILTER (WHERE is_usable), '{}'),
         coalesce(array_agg(gone) FILTER (WHERE is_usable), '{}'),
         coalesce(array_agg(doc) FILTER (WHERE NOT is_usable), '{}')
  FROM (
    SELECT doc, key, jsonb_typeof(doc) = 'object' AND key IS NOT NULL AND octet_length(key) <= 2000 AS is_usable,
           gone_when IS NOT NULL AND coalesce(jsonb_path_match(doc, gone_when, '{}', true), false) AS gone
    FROM (
      SELECT doc, CASE
               WHEN cardinality(key_paths) = 1 AND key_paths[1] IS NOT NULL THEN
                 sequin._scalar(jsonb_path_query_first(doc, key_paths[1], '{}', true))
               ELSE sequin._key(doc, key_paths, parent) END AS key
      FROM jsonb_path_query(page, records_path, '{}', true) AS p(doc)
      OFFSET 0) AS k
  ) AS r
$$;
