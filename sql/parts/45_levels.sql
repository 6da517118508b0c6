-- Who may do what. `actor` is the role a function was called by; the functions here run as the
-- extension's owner. A role has what any role has whose rights it holds.
--   reader    sees the syncs it was given and those it owns
--   operator  also manages them, and creates credentials and syncs, which it then owns
--   admin     everything; superusers and the extension's owner are administrators without a grant
-- In _grants, sync NULL stands for every sync and 0 for those that the role owns, and no other.

CREATE FUNCTION sequin._reach(
  actor name,
  OUT is_admin boolean,
  OUT is_operator boolean,
  -- every sync
  OUT reads_all boolean,
  OUT operates_all boolean,
  -- syncs given one by one
  OUT reads integer[],
  OUT operates integer[],
  -- whose syncs count as its own
  OUT roles name[])
RETURNS record
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  WITH held AS MATERIALIZED (
    SELECT r.rolname FROM pg_roles AS r WHERE pg_has_role(actor, r.oid, 'USAGE')
  ), given AS MATERIALIZED (
    SELECT g.level, g.sync FROM sequin._grants AS g WHERE g.role IN (SELECT h.rolname FROM held AS h)
  )
  SELECT pg_has_role(actor, e.extowner, 'USAGE') OR EXISTS (SELECT FROM given WHERE level = 'admin'),
         EXISTS (SELECT FROM given WHERE level IN ('operator', 'admin')),
         EXISTS (SELECT FROM given WHERE sync IS NULL),
         EXISTS (SELECT FROM given WHERE sync IS NULL AND level <> 'reader'),
         ARRAY(SELECT sync FROM given WHERE sync > 0),
         ARRAY(SELECT sync FROM given WHERE sync > 0 AND level = 'operator'),
         ARRAY(SELECT rolname FROM held)
  FROM pg_extension AS e
  WHERE e.extname = 'sequin'
$$;

CREATE FUNCTION sequin._is_admin(actor name) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT is_admin FROM sequin._reach(actor) $$;

-- The keys of syncs that a role may see. Administrators see what was deleted, too, as long as events
-- of it are kept.
CREATE FUNCTION sequin._visible_syncs(viewer name) RETURNS SETOF integer
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$
  SELECT s.key
  FROM sequin._reach(viewer) AS r, sequin._syncs AS s
  WHERE r.is_admin
     OR s.deleted_at IS NULL AND (r.reads_all OR s.owner::name = ANY (r.roles) OR s.key = ANY (r.reads))
$$;

-- The keys of credentials that a role may see, masked as they are: its own and those of its syncs.
CREATE FUNCTION sequin._visible_credentials(viewer name) RETURNS SETOF integer
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $$
  SELECT c.key
  FROM sequin._reach(viewer) AS r, sequin._credentials AS c
  WHERE r.is_admin OR c.owner::name = ANY (r.roles)
  UNION
  SELECT s.credential FROM sequin._syncs AS s WHERE s.key IN (SELECT sequin._visible_syncs(viewer))
$$;

CREATE FUNCTION sequin._require_operator(actor text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  r record := sequin._reach(actor);
BEGIN
  IF NOT r.is_admin AND NOT r.is_operator THEN
    RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('role "%s" may not manage syncs or credentials', actor),
      HINT = 'Ask an administrator to call sequin.grant_access with level operator.';
  END IF;
END
$$;

CREATE FUNCTION sequin._require_admin(actor text, what text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT sequin._is_admin(actor) THEN
    RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('only an administrator may %s', what),
      HINT = 'Ask a superuser, or one who was granted level admin.';
  END IF;
END
$$;

-- A sync by its id. One that the actor may not see is answered like one that does not exist.
CREATE FUNCTION sequin._sync_to_read(actor text, sync_id text) RETURNS sequin._syncs
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  r record := sequin._reach(actor);
  s sequin._syncs;
BEGIN
  SELECT * INTO s FROM sequin._syncs AS x
  WHERE x.id = sync_id AND x.deleted_at IS NULL
    AND (r.is_admin OR r.reads_all OR x.owner::name = ANY (r.roles) OR x.key = ANY (r.reads));
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('there is no sync "%s"', left(sync_id, 200)),
      HINT = 'See those there are with sequin.list_syncs().';
  END IF;
  RETURN s;
END
$$;

-- The same for a change: the row is locked, so that two changes of one sync follow each other.
CREATE FUNCTION sequin._sync_to_change(actor text, sync_id text) RETURNS sequin._syncs
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  r record := sequin._reach(actor);
  s sequin._syncs := sequin._sync_to_read(actor, sync_id);
BEGIN
  IF NOT (r.is_admin OR r.operates_all OR s.key = ANY (r.operates)
          OR r.is_operator AND s.owner::name = ANY (r.roles)) THEN
    RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('role "%s" may not change sync "%s"', actor, sync_id),
      HINT = 'Ask an administrator to call sequin.grant_access with level operator.';
  END IF;
  SELECT * INTO s FROM sequin._syncs AS x WHERE x.key = s.key AND x.deleted_at IS NULL FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('there is no sync "%s"', sync_id),
      HINT = 'It was deleted just now.';
  END IF;
  RETURN s;
END
$$;

-- Writes down which database this is, once: on the first credential or sync, in the user's transaction.
-- Two sessions may be the first at the same time; the later one does not wait for long.
CREATE FUNCTION sequin._note_instance(actor text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM sequin._instance) THEN
    INSERT INTO sequin._instance (system_identifier, database, timeline, random_bits, confirmed_at, confirmed_by)
    SELECT s.system_identifier, s.database, s.timeline, sequin._random_bits(), now(), actor
    FROM sequin._system() AS s
    ON CONFLICT (only_row) DO NOTHING;
  END IF;
EXCEPTION WHEN lock_not_available THEN
  RAISE EXCEPTION USING ERRCODE = '55P03',
    MESSAGE = 'another session is just creating the first credential or sync',
    HINT = 'Try again when its transaction has ended.';
END
$$;
