-- Waiting for a sync.

-- NULL while there is something to wait for, else the sync. Raises for what cannot be waited for: a
-- sync that nobody else can see yet (55000), one that is paused (55000), a dead credential (SQ003), a
-- collection that cannot finish (SQ001).
CREATE FUNCTION sequin._wait_state(actor text, sync_id text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  s sequin._syncs := sequin._sync_to_read(actor, sync_id);
  problem record;
BEGIN
  IF (SELECT sequin._is_uncommitted(x.xmin) FROM sequin._syncs AS x WHERE x.key = s.key) THEN
    RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('sync "%s" was made or changed by this transaction', sync_id),
      HINT = 'Commit first: workers see it only then.';
  ELSIF s.status = 'disabled' THEN
    RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('sync "%s" is paused', sync_id),
      HINT = 'Resume it with sequin.resume_sync.';
  END IF;
  IF EXISTS (SELECT FROM sequin._sync_facts AS f WHERE f.sync = s.key AND f.initial_backfill_completed_at IS NOT NULL
             AND f.refreshed >= s.refresh_requests) THEN
    RETURN sequin._sync_json(s);
  END IF;
  SELECT p.* INTO problem FROM sequin._sync_problems(s.key) AS p WHERE p.status = 'error' ORDER BY p.since LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = CASE WHEN problem.part = 'credential' THEN 'SQ003' ELSE 'SQ001' END,
      MESSAGE = format('sync "%s" cannot be completed', sync_id), DETAIL = problem.note,
      HINT = coalesce(problem.hint, 'Look at sequin.health().');
  END IF;
  RETURN NULL;
END
$$;

CREATE FUNCTION sequin.wait_for_sync(id text, timeout interval DEFAULT '60s') RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_wait_for_sync';
COMMENT ON FUNCTION sequin.wait_for_sync(text, interval) IS 'Waits until a sync has read everything once';

-- {"id": .., "timeout": milliseconds}
CREATE FUNCTION sequin.wait_for_sync(params jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF params - '{id,timeout}'::text[] <> '{}' OR jsonb_typeof(params -> 'id') IS DISTINCT FROM 'string'
     OR coalesce(jsonb_typeof(params -> 'timeout'), 'number') <> 'number' THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wait_for_sync takes "id" (text) and "timeout" (milliseconds)',
      HINT = 'For example {"id": "my-sync", "timeout": 60000}.';
  END IF;
  RETURN sequin.wait_for_sync(params ->> 'id', coalesce((params ->> 'timeout')::double precision, 60000) * interval '1 ms');
END
$$;
COMMENT ON FUNCTION sequin.wait_for_sync(jsonb) IS 'Waits until a sync has read everything once';
