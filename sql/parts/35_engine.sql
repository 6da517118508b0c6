-- What the engine reads and writes beside pages: syncs with all that belongs to them, progress,
-- health, maintenance.

CREATE FUNCTION sequin._credential_doc(c sequin._credentials, k sequin._credential_facts) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_build_object(
    'key', c.key, 'id', c.id, 'kind', c.kind, 'secrets', translate(encode(c.secrets, 'base64'), E'\n', ''),
    'properties', c.properties, 'digest', encode(c.secret_digest, 'hex'), 'revision', c.revision,
    'account', k.account, 'is_dead', coalesce(k.status = 'error' AND k.revision = c.revision, false))
$$;

-- A credential in the shape that a sync's document has.
CREATE FUNCTION sequin._load_credential(a_key integer) RETURNS TABLE (doc text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_build_object('provider', c.provider, 'base_url', c.base_url, 'settings', '{}'::jsonb,
                            'credential', sequin._credential_doc(c, k))::text
  FROM sequin._credentials AS c LEFT JOIN sequin._credential_facts AS k ON k.credential = c.key
  WHERE c.key = a_key
$$;

-- One JSON document per sync: wishes and facts together, as the engine needs them at start and when
-- a wish changed. `keys` NULL: all.
CREATE FUNCTION sequin._load_syncs(keys integer[]) RETURNS TABLE (key integer, doc text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT s.key, jsonb_build_object(
    'key', s.key, 'id', s.id, 'provider', s.provider,
    'active', s.status = 'active', 'rate_limit', s.rate_limit, 'max_age_days', s.max_age_days::text,
    'frequency_us', CASE WHEN s.sync_frequency <> 'continuous' THEN (extract(epoch FROM s.sync_frequency::interval) * 1000000)::bigint END,
    'exclude_fields', to_jsonb(s.exclude_fields), 'settings', s.settings,
    'base_url', coalesce(s.base_url, c.base_url),
    'created_us', (extract(epoch FROM s.created_at) * 1000000)::bigint,
    'refresh_requests', s.refresh_requests, 'refreshed', coalesce(f.refreshed, 0),
    'is_backfilled', f.initial_backfill_completed_at IS NOT NULL,
    'feeds', coalesce(f.feeds, '{}'),
    'noted', (SELECT coalesce(jsonb_agg(DISTINCT h.part), '[]') FROM sequin._health AS h WHERE h.sync = s.key),
    'credential', sequin._credential_doc(c, k),
    'collections', (
      SELECT coalesce(jsonb_agg(jsonb_build_object(
        'collection', n.collection, 'id', n.id, 'phase', coalesce(p.phase, 'waiting'),
        'checkpoint', coalesce(p.checkpoint, '{}'), 'is_backfilled', p.backfill_completed_at IS NOT NULL)
        ORDER BY n.collection), '[]')
      FROM sequin._collections AS n
      LEFT JOIN sequin._progress AS p ON p.sync = n.sync AND p.collection = n.collection
      WHERE n.sync = s.key AND n.active))::text
  FROM sequin._syncs AS s
  JOIN sequin._credentials AS c ON c.key = s.credential
  LEFT JOIN sequin._credential_facts AS k ON k.credential = c.key
  LEFT JOIN sequin._sync_facts AS f ON f.sync = s.key
  WHERE s.deleted_at IS NULL AND (keys IS NULL OR s.key = ANY (keys))
  ORDER BY s.key
$$;

-- Whether this database is the instance that was confirmed: `confirmed`, `absent` (nobody made a
-- credential or a sync yet), `copy` (another cluster or database), `timeline`.
CREATE FUNCTION sequin._instance_state() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce((
    SELECT CASE WHEN i.system_identifier <> n.system_identifier OR i.database <> n.database THEN 'copy'
                WHEN i.timeline <> n.timeline THEN 'timeline' ELSE 'confirmed' END
    FROM sequin._instance AS i, sequin._system() AS n), 'absent')
$$;

CREATE FUNCTION sequin._save_progress(
  a_sync integer, a_collection smallint, a_phase text, a_checkpoint jsonb, more_requests bigint, more_records bigint,
  more_changes bigint, is_backfilled boolean) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO sequin._progress AS p (sync, collection, phase, checkpoint, requests, records, changes,
    backfill_started_at, backfill_completed_at, last_change_at)
  VALUES (a_sync, a_collection, a_phase, a_checkpoint, more_requests, more_records, more_changes,
    statement_timestamp(), CASE WHEN is_backfilled THEN statement_timestamp() END,
    CASE WHEN more_changes > 0 THEN statement_timestamp() END)
  ON CONFLICT (sync, collection) DO UPDATE SET
    phase = excluded.phase,
    checkpoint = coalesce(excluded.checkpoint, p.checkpoint),
    requests = p.requests + excluded.requests,
    records = p.records + excluded.records,
    changes = p.changes + excluded.changes,
    backfill_started_at = coalesce(p.backfill_started_at, excluded.backfill_started_at),
    backfill_completed_at = CASE WHEN is_backfilled THEN coalesce(p.backfill_completed_at, excluded.backfill_completed_at) END,
    last_change_at = coalesce(excluded.last_change_at, p.last_change_at),
    last_pass_at = CASE WHEN excluded.phase = 'live' THEN statement_timestamp() ELSE p.last_pass_at END,
    updated_at = statement_timestamp()
$$;

CREATE FUNCTION sequin._save_feed(a_sync integer, feed text, a_position jsonb) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO sequin._sync_facts AS f (sync, feeds) VALUES (a_sync, jsonb_build_object(feed, a_position))
  ON CONFLICT (sync) DO UPDATE SET feeds = f.feeds || excluded.feeds, updated_at = statement_timestamp()
$$;

CREATE FUNCTION sequin._save_sync_facts(a_sync integer, is_backfilled boolean, a_refreshed integer) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO sequin._sync_facts AS f (sync, initial_backfill_completed_at, refreshed)
  VALUES (a_sync, CASE WHEN is_backfilled THEN statement_timestamp() END, a_refreshed)
  ON CONFLICT (sync) DO UPDATE SET
    initial_backfill_completed_at = coalesce(f.initial_backfill_completed_at, excluded.initial_backfill_completed_at),
    refreshed = greatest(f.refreshed, excluded.refreshed), updated_at = statement_timestamp()
$$;

-- Sets a note of health; true if it is news.
CREATE FUNCTION sequin._set_health(a_sync integer, a_part text, a_status text, a_code text, a_note text, a_hint text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF EXISTS (SELECT FROM sequin._health AS h WHERE h.sync = a_sync AND h.part = a_part AND h.code = a_code
             AND h.status = a_status AND h.note = a_note) THEN
    RETURN false;
  END IF;
  INSERT INTO sequin._health AS h (sync, part, status, code, note, hint)
  VALUES (a_sync, a_part, a_status, a_code, a_note, nullif(a_hint, ''))
  ON CONFLICT (sync, part, code) DO UPDATE SET status = excluded.status, note = excluded.note, hint = excluded.hint;
  PERFORM pg_notify('sequin_health', jsonb_build_object('status', a_status, 'code', a_code)::text);
  RETURN true;
END
$$;

-- Ends the notes of a part; true if there were any. Without a code those stay that have an end of their
-- own: records set aside until they are healed, a refused sweep until the next one.
CREATE FUNCTION sequin._clear_health(a_sync integer, a_part text, a_code text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM sequin._health AS h WHERE h.sync = a_sync AND h.part = a_part
    AND (h.code = a_code OR a_code IS NULL AND h.code NOT IN ('records_set_aside', 'sweep_refused'));
  IF FOUND THEN
    PERFORM pg_notify('sequin_health', jsonb_build_object('status', 'ok')::text);
  END IF;
  RETURN FOUND;
END
$$;

CREATE FUNCTION sequin._save_credential_facts(a_credential integer, a_revision integer, an_account text, a_status text, a_notes text[]) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO sequin._credential_facts AS f (credential, revision, account, status, notes)
  VALUES (a_credential, a_revision, an_account, a_status, a_notes)
  ON CONFLICT (credential) DO UPDATE SET revision = excluded.revision, account = coalesce(excluded.account, f.account),
    status = excluded.status, notes = excluded.notes, checked_at = clock_timestamp()
$$;

-- Calls made, as one JSON array; the last 1,000 of each sync are kept.
CREATE FUNCTION sequin._log_requests(calls jsonb) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO sequin._requests (sync, collection, sent_at, method, path, status, duration_ms, request_id, error)
  SELECT (c ->> 's')::integer, (c ->> 'c')::smallint, sequin._time(c -> 't', 'epoch_ms'), c ->> 'm', c ->> 'p',
         (c ->> 'r')::smallint, (c ->> 'd')::integer, c ->> 'i', c ->> 'e'
  FROM jsonb_array_elements(calls) AS c
$$;

CREATE FUNCTION sequin._trim_requests(a_sync integer) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  DELETE FROM sequin._requests AS r
  WHERE r.sync = a_sync
    AND r.id <= (SELECT q.id FROM sequin._requests AS q WHERE q.sync = a_sync ORDER BY q.id DESC OFFSET 1000 LIMIT 1)
$$;

-- Wishes about single records become work; what somebody else holds is left for the next time.
CREATE FUNCTION sequin._take_record_wishes() RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  taken integer;
BEGIN
  WITH w AS (
    DELETE FROM sequin._record_wishes
    WHERE id IN (SELECT id FROM sequin._record_wishes ORDER BY id LIMIT 500 FOR UPDATE SKIP LOCKED)
    RETURNING sync, collection, upstream_id, wish
  ), erased AS (
    DELETE FROM sequin._records AS r USING w
    WHERE w.wish = 'erase' AND r.sync = w.sync AND r.collection = w.collection AND r.upstream_id = w.upstream_id
  ), erased_events AS (
    -- the numbers stay: the stream has no gaps
    UPDATE sequin._events AS e SET upstream_id = '', data = '{}', changes = NULL FROM w
    WHERE w.wish = 'erase' AND e.sync = w.sync AND e.collection = w.collection AND e.upstream_id = w.upstream_id
  ), resynced AS (
    INSERT INTO sequin._rereads (sync, collection, upstream_id, origin)
    SELECT DISTINCT w.sync, w.collection, w.upstream_id, 'r'::"char" FROM w WHERE w.wish = 'resync'
    ON CONFLICT (sync, collection, upstream_id) DO UPDATE SET wanted_at = excluded.wanted_at
  )
  SELECT count(*) INTO taken FROM w;
  RETURN taken;
END
$$;

-- Records set aside that are due to be read again.
CREATE FUNCTION sequin._take_due_errors() RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  taken integer;
BEGIN
  WITH due AS (
    UPDATE sequin._sync_errors SET next_attempt_at = next_attempt_at + interval '1 day'
    WHERE id IN (SELECT id FROM sequin._sync_errors WHERE next_attempt_at <= clock_timestamp() LIMIT 500)
    RETURNING sync, collection, upstream_id, parent_id
  ), children AS (
    INSERT INTO sequin._child_rereads AS w (sync, collection, parent_id)
    SELECT DISTINCT sync, collection, parent_id FROM due WHERE parent_id IS NOT NULL
    ON CONFLICT (sync, collection, parent_id) DO UPDATE SET wanted_at = excluded.wanted_at
  )
  INSERT INTO sequin._rereads (sync, collection, upstream_id, origin)
  SELECT sync, collection, upstream_id, 'r' FROM due WHERE upstream_id IS NOT NULL AND parent_id IS NULL
  ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS taken = ROW_COUNT;
  RETURN taken;
END
$$;

-- Removes rows that nobody wants any more, at most `n` of each kind; true while there is more to do:
-- records of deleted syncs and purged collections, expired records (without an event), old tombstones.
CREATE FUNCTION sequin._clean(n integer) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
DECLARE
  removed bigint;
  more boolean := false;
BEGIN
  -- what was set aside without a key is known by its content only, and cannot be seen to heal
  DELETE FROM sequin._sync_errors WHERE upstream_id IS NULL AND last_seen_at < now() - interval '7 days';
  DELETE FROM sequin._records WHERE (tableoid, ctid) IN (
    SELECT r.tableoid, r.ctid FROM sequin._syncs AS s, LATERAL (
      SELECT q.tableoid, q.ctid FROM sequin._records AS q WHERE q.sync = s.key LIMIT n) AS r
    WHERE s.deleted_at IS NOT NULL LIMIT n);
  GET DIAGNOSTICS removed = ROW_COUNT;
  more := more OR removed = n;
  DELETE FROM sequin._records WHERE (tableoid, ctid) IN (
    SELECT r.tableoid, r.ctid FROM sequin._collections AS c, LATERAL (
      SELECT q.tableoid, q.ctid FROM sequin._records AS q WHERE q.sync = c.sync AND q.collection = c.collection LIMIT n) AS r
    WHERE c.purge AND NOT c.active LIMIT n);
  GET DIAGNOSTICS removed = ROW_COUNT;
  more := more OR removed = n;
  DELETE FROM sequin._records WHERE (tableoid, ctid) IN (
    SELECT r.tableoid, r.ctid FROM sequin._syncs AS s, LATERAL (
      SELECT q.tableoid, q.ctid FROM sequin._records AS q
      WHERE q.sync = s.key
        AND coalesce(q.upstream_updated_at, q.upstream_created_at, q.inserted_at) < now() - s.max_age_days * interval '1 day'
      LIMIT n) AS r
    WHERE s.max_age_days IS NOT NULL LIMIT n);
  GET DIAGNOSTICS removed = ROW_COUNT;
  more := more OR removed = n;
  RETURN more;
END
$$;

-- Drops the partitions whose events are all older than the retention, and deletes old events of the
-- open one in a small batch; the newest event always stays. True while there is more to delete.
CREATE FUNCTION sequin._retain_events(days integer, n integer) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  partition record;
  youngest timestamptz;
  newest bigint := (SELECT seq FROM sequin._events ORDER BY seq DESC LIMIT 1);
  removed bigint;
BEGIN
  FOR partition IN SELECT * FROM sequin._event_partitions() AS p WHERE p.last_seq < newest LOOP
    EXECUTE format('SELECT event_inserted_at FROM %s ORDER BY seq DESC LIMIT 1', partition.relation) INTO youngest;
    EXIT WHEN youngest >= now() - days * interval '1 day';
    EXECUTE format('DROP TABLE %s', partition.relation);
  END LOOP;
  DELETE FROM sequin._events AS e WHERE e.seq IN (
    SELECT o.seq FROM (SELECT seq, event_inserted_at FROM sequin._events ORDER BY seq LIMIT n) AS o
    WHERE o.event_inserted_at < now() - days * interval '1 day' AND o.seq < newest);
  GET DIAGNOSTICS removed = ROW_COUNT;
  RETURN removed = n;
END
$$;

-- Once per partition that is closed: the index that reads a collection's events.
CREATE FUNCTION sequin._index_closed_partitions() RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  partition record;
  made integer := 0;
BEGIN
  FOR partition IN
    SELECT p.* FROM sequin._event_partitions() AS p
    WHERE p.last_seq <= sequin._last_seq()
      AND NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = p.relation AND i.indnatts = 3)
    LIMIT 1
  LOOP
    EXECUTE format('CREATE INDEX ON %s (sync, collection, seq)', partition.relation);
    made := made + 1;
  END LOOP;
  RETURN made;
END
$$;

-- Partitions ahead of need: about a day at last week's rate, 100,000 to 5 million numbers each, and always
-- a million numbers, since a backfill may begin at any moment. Not one statement: a partition cannot be
-- attached while a query reads the parent.
CREATE FUNCTION sequin._ensure_event_partitions() RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  size bigint;
BEGIN
  SELECT greatest(100000, least(5000000, ceil((n.seq - o.seq)
           / greatest(extract(epoch FROM n.event_inserted_at - o.event_inserted_at) / 86400, 0.01))))
  INTO size
  FROM (SELECT seq, event_inserted_at FROM sequin._events ORDER BY seq DESC LIMIT 1) AS n,
       LATERAL (SELECT seq, event_inserted_at FROM sequin._events WHERE seq >= n.seq - 1000000 ORDER BY seq LIMIT 1) AS o
  WHERE n.seq > o.seq;
  size := coalesce(size, 1000000);
  RETURN sequin._ensure_event_partitions(greatest(1000000, 2 * size), size);
END
$$;

-- Tells the planner of a sync that was just filled. Autovacuum would, but up to a minute later, and a
-- join of two collections that are thought empty takes their product of time. Nobody compares whole
-- documents, so they are left out.
CREATE FUNCTION sequin._analyze_records(a_sync integer) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  partition regclass := (SELECT r.tableoid FROM sequin._records AS r WHERE r.sync = a_sync LIMIT 1);
BEGIN
  IF partition IS NOT NULL THEN
    EXECUTE format('ANALYZE %s (sync, collection, deleted, upstream_id, parent_id, updated_idx)', partition);
  END IF;
END
$$;

-- The instance goes on as another one: what was lost with the old one's tail may have been seen, so its
-- numbers are left out.
CREATE FUNCTION sequin._leave_gap(reason text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  last bigint;
BEGIN
  LOCK TABLE ONLY sequin._stream IN EXCLUSIVE MODE;
  last := sequin._last_seq();
  INSERT INTO sequin._gaps (first_seq, last_seq, reason) SELECT last + 1, last + 1048576, reason WHERE last > 0;
END
$$;

CREATE FUNCTION sequin._adopt_timeline(reason text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT sequin._leave_gap(reason);
  UPDATE sequin._instance AS i SET system_identifier = s.system_identifier, database = s.database, timeline = s.timeline
  FROM sequin._system() AS s;
$$;
