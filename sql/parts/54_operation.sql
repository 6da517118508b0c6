-- Operation: health, metrics, the instance guard, and who may use what.

-- What is not well with the server's side of it.
CREATE FUNCTION sequin._instance_problems() RETURNS TABLE (status text, code text, note text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  i sequin._instance;
  n record := sequin._system();
BEGIN
  BEGIN
    PERFORM sequin._require_workers();
  EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN QUERY SELECT 'error', 'not_preloaded', 'The library was not loaded at server start, so there are no workers.',
                        'Add "sequin" to "shared_preload_libraries" and restart the server.';
  END;
  IF sequin._lacks_worker_slot() THEN
    RETURN QUERY SELECT 'error', 'no_worker_slot', 'There is no free worker slot for the engine of this database.',
                        'Raise "max_worker_processes": sequin needs two per database and one.';
  END IF;
  IF current_setting('sequin.enabled', true) = 'off' THEN
    RETURN QUERY SELECT 'warn', 'disabled', 'The setting "sequin.enabled" is off: nothing goes out.',
                        'Set it to on and reload the configuration.';
  END IF;
  SELECT * INTO i FROM sequin._instance;
  IF i.only_row IS NULL THEN
    IF EXISTS (SELECT FROM sequin._syncs AS s WHERE s.deleted_at IS NULL) THEN
      RETURN QUERY SELECT 'error', 'not_confirmed', 'It was never confirmed that this database may send requests.',
                          'Call sequin.confirm_instance().';
    END IF;
  ELSIF (i.system_identifier, i.database) IS DISTINCT FROM (n.system_identifier, n.database) THEN
    RETURN QUERY SELECT 'error', 'other_instance', 'This database is a copy of another one: nothing goes out.',
                        'If the other one is no longer in use, call sequin.confirm_instance().';
  ELSIF i.timeline <> n.timeline AND coalesce(current_setting('sequin.after_promotion', true), 'pause') <> 'continue' THEN
    RETURN QUERY SELECT 'error', 'other_timeline', 'The server was promoted or recovered: nothing goes out.',
                        'If no other copy of it is in use, call sequin.confirm_instance().';
  END IF;
END
$$;

CREATE FUNCTION sequin.health(params jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

-- One answer for "is everything well": the server's side, then every problem of a sync that the actor
-- may see.
CREATE FUNCTION sequin._do_health(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  answer jsonb;
BEGIN
  PERFORM sequin._only(params, '{}');
  WITH seen AS MATERIALIZED (
    SELECT s.key, s.id, s.name FROM sequin._syncs AS s
    WHERE s.deleted_at IS NULL AND s.key IN (SELECT sequin._visible_syncs(actor))
  ), problems AS MATERIALIZED (
    SELECT 0 AS ord, NULL::text AS sync_id, NULL::text AS name, 'instance' AS part, p.status, p.code, p.note, p.hint,
           NULL::timestamptz AS since
    FROM sequin._instance_problems() AS p
    UNION ALL
    SELECT 0, NULL, NULL, h.part, h.status, h.code, h.note, h.hint, h.since FROM sequin._health AS h WHERE h.sync = 0
    UNION ALL
    SELECT s.key, s.id, s.name, p.part, p.status, p.code, p.note, p.hint, p.since
    FROM seen AS s, sequin._sync_problems(s.key) AS p
  ), worst AS (
    SELECT s.key, min(p.status) AS status FROM seen AS s LEFT JOIN problems AS p ON p.ord = s.key GROUP BY s.key
  )
  SELECT jsonb_build_object(
    'status', coalesce((SELECT min(p.status) FROM problems AS p), 'ok'),
    'notes', (SELECT coalesce(jsonb_agg(concat_ws(' ', p.note, p.hint) ORDER BY p.status, p.code), '[]')
              FROM problems AS p WHERE p.ord = 0),
    'time', sequin._iso(statement_timestamp()),
    'syncs', (SELECT jsonb_build_object(
                'ok', count(*) FILTER (WHERE w.status IS NULL),
                'warn', count(*) FILTER (WHERE w.status = 'warn'),
                'error', count(*) FILTER (WHERE w.status = 'error')) FROM worst AS w),
    'problems', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'sync_id', p.sync_id, 'sync_name', p.name, 'part', p.part, 'status', p.status, 'code', p.code,
                   'note', p.note, 'hint', p.hint, 'since', sequin._iso(p.since)) ORDER BY p.ord, p.status, p.part, p.code), '[]')
                 FROM problems AS p))
  INTO answer;
  RETURN answer;
END
$$;

CREATE FUNCTION sequin.confirm_instance(params jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

-- Says that this database, as it is now, is the one that may send requests. Event ids go on as before.
CREATE FUNCTION sequin._do_confirm_instance(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  i sequin._instance;
BEGIN
  PERFORM sequin._require_admin(actor, 'confirm the instance');
  PERFORM sequin._only(params, '{}');
  IF sequin._instance_state() IN ('copy', 'timeline') THEN
    PERFORM sequin._leave_gap('confirmed as another instance');
  END IF;
  INSERT INTO sequin._instance AS x (system_identifier, database, timeline, random_bits, confirmed_at, confirmed_by)
  SELECT s.system_identifier, s.database, s.timeline, sequin._random_bits(), now(), actor FROM sequin._system() AS s
  ON CONFLICT (only_row) DO UPDATE SET
    system_identifier = excluded.system_identifier, database = excluded.database, timeline = excluded.timeline,
    confirmed_at = excluded.confirmed_at, confirmed_by = excluded.confirmed_by
  RETURNING * INTO i;
  PERFORM sequin._changed(0);
  RETURN jsonb_build_object(
    'system_identifier', i.system_identifier,
    'database', i.database::bigint,
    'timeline', i.timeline,
    'confirmed_at', sequin._iso(i.confirmed_at),
    'confirmed_by', i.confirmed_by);
END
$$;

-- What a role needs of the schema: public functions and views, and of what these use exactly the
-- relations and columns they read. Row level security decides about rows, the levels about calls.
CREATE FUNCTION sequin._grant_rights(role_name text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  what text;
BEGIN
  FOR what IN
    SELECT 'USAGE ON SCHEMA sequin'
    UNION ALL
    SELECT 'EXECUTE ON ROUTINE ' || p.oid::regprocedure
    FROM pg_proc AS p
    WHERE p.pronamespace = 'sequin'::regnamespace AND p.prokind IN ('f', 'p')
      AND (p.proname NOT LIKE '\_%'
           OR p.proname = ANY ('{_given,_visible_syncs,_visible_credentials,_event_id,_record_id,_event_word,_origin_word,
                _live_progress,_iso,_sync_problems,_sync_health,_credential_problems,_credential_health,
                _collection_specs,_delete_kinds,_fields,_first_member}'))
    UNION ALL
    SELECT 'SELECT ON sequin.' || quote_ident(c.relname)
    FROM pg_class AS c
    WHERE c.relnamespace = 'sequin'::regnamespace
      AND (c.relkind = 'v' AND c.relname NOT LIKE '\_%'
           OR c.relname = ANY ('{_providers,_syncs,_collections,_records,_events,_progress,_sync_facts,_health,
                _credential_facts,_sync_errors,_requests}'))
    UNION ALL
    SELECT 'SELECT (random_bits) ON sequin._instance'
    UNION ALL
    SELECT 'SELECT (key, id, provider, kind, name, secret_names, properties, base_url, oauth_app_id, metadata, owner,
                    revision, created_at, updated_at) ON sequin._credentials'
  LOOP
    EXECUTE format('GRANT %s TO %I', what, role_name);
  END LOOP;
END
$$;

CREATE FUNCTION sequin._revoke_rights(role_name text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA sequin FROM %I', role_name);
  EXECUTE format('REVOKE ALL ON ALL ROUTINES IN SCHEMA sequin FROM %I', role_name);
  EXECUTE format('REVOKE ALL ON SCHEMA sequin FROM %I', role_name);
END
$$;

-- The role, level and sync of a grant. A level may be left out where none is needed.
CREATE FUNCTION sequin._param_grant(actor text, params jsonb, OUT role text, OUT level text, OUT sync integer)
RETURNS record
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM sequin._require_admin(actor, 'grant or revoke access');
  PERFORM sequin._only(params, '{role,level,sync_id,own}');
  role := sequin._need_text(params, 'role', 63);
  level := sequin._param_word(params, 'level', '{reader,operator,admin}');
  IF NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = _param_grant.role) THEN
    RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('there is no role "%s"', role),
      HINT = 'Create it with CREATE ROLE.';
  END IF;
  IF params ->> 'sync_id' IS NOT NULL THEN
    sync := (sequin._sync_to_read(actor, sequin._param_text(params, 'sync_id'))).key;
  END IF;
  IF sequin._param_boolean(params, 'own') THEN
    IF sync IS NOT NULL THEN
      RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'both "sync_id" and "own" are given', HINT = 'Give one of them.';
    END IF;
    sync := 0;
  END IF;
  IF level = 'admin' AND sync IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'level admin is for all syncs',
      HINT = 'Grant operator for a single sync.';
  END IF;
END
$$;

CREATE FUNCTION sequin.grant_access(params jsonb) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.grant_access(role text, level text, sync_id text DEFAULT NULL, own boolean DEFAULT NULL)
RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
  SELECT sequin.grant_access(sequin._given(pg_catalog.jsonb_build_object(
    'role', role, 'level', level, 'sync_id', sync_id, 'own', own)))
$$;

CREATE FUNCTION sequin._do_grant_access(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  g record := sequin._param_grant(actor, params);
BEGIN
  IF g.level IS NULL THEN
    PERFORM sequin._missing('level', 'Use one of: reader, operator, admin.');
  END IF;
  -- a role without the rights is not the one that older rows of this name were for
  IF NOT EXISTS (SELECT FROM pg_namespace AS n, aclexplode(n.nspacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee
                 WHERE n.nspname = 'sequin' AND r.rolname = g.role) THEN
    DELETE FROM sequin._grants AS x WHERE x.role = g.role;
  END IF;
  PERFORM sequin._grant_rights(g.role);
  INSERT INTO sequin._grants (role, level, sync) VALUES (g.role, g.level, g.sync)
  ON CONFLICT (role, level, coalesce(sync, -1)) DO NOTHING;
  RETURN sequin._access_json(g.role);
END
$$;

CREATE FUNCTION sequin.revoke_access(params jsonb) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.revoke_access(role text, level text, sync_id text DEFAULT NULL, own boolean DEFAULT NULL)
RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
  SELECT sequin.revoke_access(sequin._given(pg_catalog.jsonb_build_object(
    'role', role, 'level', level, 'sync_id', sync_id, 'own', own)))
$$;

-- Takes one grant back, or, without a level, all of a role's.
CREATE FUNCTION sequin._do_revoke_access(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  g record := sequin._param_grant(actor, params);
BEGIN
  DELETE FROM sequin._grants AS x
  WHERE x.role = g.role AND (g.level IS NULL OR x.level = g.level AND x.sync IS NOT DISTINCT FROM g.sync);
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('role "%s" was not granted this', g.role),
      HINT = 'A grant is taken back as it was given: for all syncs, for one, or for its own.';
  END IF;
  IF NOT EXISTS (SELECT FROM sequin._grants AS x WHERE x.role = g.role) THEN
    PERFORM sequin._revoke_rights(g.role);
  END IF;
  RETURN sequin._access_json(g.role);
END
$$;

CREATE FUNCTION sequin._access_json(role_name text) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_build_object('role', role_name, 'access', coalesce(jsonb_agg(
    jsonb_build_object('level', g.level, 'sync_id', s.id, 'own', coalesce(g.sync = 0, false))
    ORDER BY g.level, g.sync NULLS FIRST), '[]'))
  FROM sequin._grants AS g LEFT JOIN sequin._syncs AS s ON s.key = g.sync
  WHERE g.role = role_name
$$;
