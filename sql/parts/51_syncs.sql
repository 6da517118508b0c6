-- Syncs. These functions write wishes only; the engine does what they say after the commit.

-- What is not well with a sync, by part.
CREATE FUNCTION sequin._sync_problems(a_sync integer)
RETURNS TABLE (part text, status text, code text, note text, hint text, since timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT h.part, h.status, h.code, h.note, h.hint, h.since FROM sequin._health AS h
  -- a note of a secret that was replaced since is void
  WHERE h.sync = a_sync AND (h.part <> 'credential' OR NOT EXISTS (
    SELECT FROM sequin._syncs AS s JOIN sequin._credentials AS c ON c.key = s.credential
    JOIN sequin._credential_facts AS f ON f.credential = c.key WHERE s.key = a_sync AND f.revision < c.revision))
  UNION ALL
  SELECT 'credential', p.status, p.code, p.note, NULL, p.since
  FROM sequin._syncs AS s
  JOIN sequin._credentials AS c ON c.key = s.credential,
       sequin._credential_problems(c.key, c.revision, c.oauth_app_id, c.created_at) AS p
  WHERE s.key = a_sync;
END;

CREATE FUNCTION sequin._sync_health(a_sync integer) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_build_object(
    'status', CASE WHEN bool_or(p.status = 'error') THEN 'error' WHEN count(*) > 0 THEN 'warn' ELSE 'ok' END,
    'notes', coalesce(jsonb_agg(concat_ws(' ', p.note, p.hint) ORDER BY p.status, p.since, p.note), '[]'),
    'code', (array_agg(p.code ORDER BY p.status, p.since, p.code))[1],
    'since', sequin._iso((array_agg(p.since ORDER BY p.status, p.since, p.code))[1]),
    'time', sequin._iso(max(p.since)))
  FROM sequin._sync_problems(a_sync) AS p
$$;

CREATE FUNCTION sequin._sync_json(s sequin._syncs) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_build_object(
    'id', s.id,
    'provider', s.provider,
    'name', s.name,
    'status', s.status,
    'health', sequin._sync_health(s.key),
    'collection_ids', (SELECT coalesce(jsonb_agg(c.id ORDER BY c.collection), '[]')
                       FROM sequin._collections AS c WHERE c.sync = s.key AND c.active),
    'rate_limit', s.rate_limit,
    'credential_id', c.id,
    'credential', sequin._credential_json(c),
    'max_age_days', s.max_age_days,
    'sync_frequency', s.sync_frequency,
    'exclude_fields', to_jsonb(s.exclude_fields),
    'base_url', s.base_url)
    || jsonb_build_object(
    'settings', s.settings,
    'initial_backfill_completed_at', (SELECT sequin._iso(f.initial_backfill_completed_at)
                                      FROM sequin._sync_facts AS f WHERE f.sync = s.key),
    'metadata', s.metadata,
    'external_id', s.external_id,
    'owner', s.owner,
    'created_at', sequin._iso(s.created_at),
    'updated_at', sequin._iso(s.updated_at))
  FROM (SELECT 1) AS one LEFT JOIN sequin._credentials AS c ON c.key = s.credential
$$;

-- The answer to a change: the sync, and what its owner should know of the collections chosen.
CREATE FUNCTION sequin._sync_answer(s sequin._syncs) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT sequin._sync_json(s) || jsonb_build_object('notes', coalesce(jsonb_agg(
    format('Deletes in %s are not noticed: %s', k.id, d ->> 'because') ORDER BY c.collection), '[]'))
  FROM sequin._collections AS c
  JOIN sequin._collection_specs(s.provider) AS k ON k.id = c.id,
       jsonb_array_elements(k.spec -> 'deletes') AS d
  WHERE c.sync = s.key AND c.active AND d ->> 'kind' = 'never'
$$;

-- The collections named, or all; each must exist and have its parent beside it.
CREATE FUNCTION sequin._chosen_collections(a_provider text, ids text[]) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  known text[] := ARRAY(SELECT id FROM sequin._collection_specs(a_provider) ORDER BY id);
  bad text;
  parent text;
BEGIN
  IF ids = '{*}' THEN
    RETURN known;
  ELSIF ids = '{}' THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'field "collection_ids" is empty',
      HINT = 'Name at least one collection, or give ["*"] for all.';
  ELSIF '*' = ANY (ids) THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'field "collection_ids" has "*" beside other ids',
      HINT = 'Give ["*"] alone for all collections.';
  END IF;
  SELECT id INTO bad FROM unnest(ids) AS id WHERE id <> ALL (known) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = format('provider "%s" has no collection "%s"', a_provider, left(bad, 200)),
      HINT = sequin._perhaps(left(bad, 200), known);
  END IF;
  SELECT k.id, a_provider || ':' || (k.spec -> 'parent' ->> 'collection') INTO bad, parent
  FROM sequin._collection_specs(a_provider) AS k
  WHERE k.id = ANY (ids) AND a_provider || ':' || (k.spec -> 'parent' ->> 'collection') <> ALL (ids)
  ORDER BY array_position(ids, k.id) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = format('collection "%s" is read through its parent, which is not chosen', bad),
      HINT = format('Add "%s" to collection_ids.', parent);
  END IF;
  RETURN ids;
END
$$;

-- Fields left out of storage must be such that nothing depends on them.
CREATE FUNCTION sequin._check_excludes(a_provider text, ids text[], fields text[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  bad record;
BEGIN
  SELECT f INTO bad FROM unnest(fields) AS f WHERE f LIKE '%.%' LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = format('field "exclude_fields" names "%s", which is no top-level field', left(bad.f, 100)),
      HINT = 'Only whole top-level fields can be left out.';
  END IF;
  SELECT n.id, n.use, n.member INTO bad
  FROM (
    SELECT k.id, m.use, m.member
    FROM sequin._collection_specs(a_provider) AS k, sequin._members_needed(k.spec) AS m
    WHERE k.id = ANY (ids)
    UNION ALL
    SELECT a_provider || ':' || (k.spec #>> '{parent,collection}'), format('it carries the records of "%s"', k.id),
           sequin._first_member(k.spec #>> '{parent,embedded,records}')
    FROM sequin._collection_specs(a_provider) AS k
    WHERE k.id = ANY (ids)) AS n
  WHERE n.member = ANY (fields)
  ORDER BY n.id, n.use, n.member LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = format('field "exclude_fields" may not name "%s"', bad.member),
      DETAIL = format('Collection "%s" needs it: %s.', bad.id, bad.use),
      HINT = format('Take "%s" out of exclude_fields.', bad.member);
  END IF;
END
$$;

-- Values for the settings that a manifest asks for.
CREATE FUNCTION sequin._param_settings(manifest jsonb, params jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given jsonb := coalesce(sequin._param_object(params, 'settings'), '{}');
  setting record;
BEGIN
  PERFORM sequin._only(given, ARRAY(SELECT jsonb_object_keys(manifest -> 'settings')), 'settings.');
  FOR setting IN
    SELECT key, value AS spec, given -> key AS wanted FROM jsonb_each(manifest -> 'settings') ORDER BY key
  LOOP
    IF coalesce(setting.wanted, 'null') = 'null' THEN
      IF NOT setting.spec ? 'default' THEN
        PERFORM sequin._missing('settings.' || setting.key, coalesce(setting.spec ->> 'description', ''));
      END IF;
    ELSIF jsonb_typeof(setting.wanted) IN ('array', 'object') THEN
      RAISE EXCEPTION USING ERRCODE = '22023',
        MESSAGE = format('field "settings.%s" must be a single value, not %s', setting.key, sequin._a(setting.wanted));
    ELSIF setting.wanted #>> '{}' !~ (setting.spec ->> 'pattern') OR setting.wanted #>> '{}' ~ '[[:cntrl:]]' THEN
      RAISE EXCEPTION USING ERRCODE = '22023',
        MESSAGE = format('field "settings.%s" does not have the form that the provider asks for', setting.key),
        HINT = coalesce(setting.spec ->> 'description', 'It must match ' || (setting.spec ->> 'pattern') || '.');
    END IF;
  END LOOP;
  RETURN sequin._given(given);
END
$$;

-- The credential of a new sync: one that exists, one made on the spot, or none where none is needed.
CREATE FUNCTION sequin._credential_of(actor text, params jsonb) RETURNS sequin._credentials
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  provider text := sequin._param_text(params, 'provider', 200);
  inline_credential jsonb := sequin._param(params, 'credential', 'object');
  credential_id text := sequin._param_text(params, 'credential_id', 200);
  c sequin._credentials;
BEGIN
  IF inline_credential IS NOT NULL AND credential_id IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'both "credential" and "credential_id" are given',
      HINT = 'Give one of them.';
  ELSIF credential_id IS NOT NULL THEN
    c := sequin._credential_to_use(actor, credential_id);
    -- against its deletion; others may take it, too
    SELECT * INTO c FROM sequin._credentials AS x WHERE x.key = c.key FOR KEY SHARE;
    IF NOT FOUND THEN
      RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = 'there is no credential of this id',
        HINT = 'It was deleted just now.';
    END IF;
  ELSE
    IF inline_credential IS NULL THEN
      IF provider IS NULL OR NOT EXISTS (
        SELECT FROM jsonb_each((sequin._provider(provider)).manifest -> 'auth') WHERE value ->> 'method' = 'none') THEN
        PERFORM sequin._missing('credential', 'Give "credential_id", or "credential" to make one on the spot.');
      END IF;
      inline_credential := (SELECT jsonb_build_object('kind', key)
                            FROM jsonb_each((sequin._provider(provider)).manifest -> 'auth')
                            WHERE value ->> 'method' = 'none' ORDER BY key LIMIT 1);
    END IF;
    IF provider IS NOT NULL AND coalesce(inline_credential -> 'provider', 'null') = 'null' THEN
      inline_credential := inline_credential || jsonb_build_object('provider', provider);
    END IF;
    c := sequin._store_credential(actor, inline_credential, 'credential.');
  END IF;
  IF provider <> c.provider THEN
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = format('the credential is for provider "%s", the sync for "%s"', c.provider, provider),
      HINT = 'Give both the same provider.';
  END IF;
  RETURN c;
END
$$;

CREATE FUNCTION sequin.create_sync(params jsonb) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.create_sync(
  name text,
  provider text,
  collection_ids text[] DEFAULT '{*}',
  credential_id text DEFAULT NULL,
  credential jsonb DEFAULT NULL,
  sync_frequency text DEFAULT NULL,
  max_age_days numeric DEFAULT NULL,
  rate_limit jsonb DEFAULT NULL,
  metadata jsonb DEFAULT NULL,
  external_id text DEFAULT NULL,
  exclude_fields text[] DEFAULT NULL,
  settings jsonb DEFAULT NULL,
  base_url text DEFAULT NULL,
  id text DEFAULT NULL,
  status text DEFAULT NULL)
RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
  SELECT sequin.create_sync(sequin._given(pg_catalog.jsonb_build_object(
    'name', name, 'provider', provider, 'collection_ids', collection_ids, 'credential_id', credential_id,
    'credential', credential, 'sync_frequency', sync_frequency, 'max_age_days', max_age_days, 'rate_limit', rate_limit,
    'metadata', metadata, 'external_id', external_id, 'exclude_fields', exclude_fields, 'settings', settings,
    'base_url', base_url, 'id', id, 'status', status)))
$$;

CREATE FUNCTION sequin._do_create_sync(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  s sequin._syncs;
  ids text[];
BEGIN
  PERFORM sequin._require_operator(actor);
  PERFORM sequin._require_workers();
  PERFORM sequin._only(params, '{id,provider,name,collection_ids,credential,credential_id,rate_limit,max_age_days,
    sync_frequency,metadata,external_id,exclude_fields,settings,base_url,status}');
  s.id := sequin._param_new_id(params);
  s.name := sequin._need_text(params, 'name', 200);
  s.status := coalesce(sequin._param_word(params, 'status', '{active,disabled}'), 'active');
  s.rate_limit := sequin._param_rate_limit(params);
  s.max_age_days := sequin._param_number(params, 'max_age_days', 0.001, 36500);
  s.sync_frequency := coalesce(sequin._param_frequency(params), 'continuous');
  s.metadata := coalesce(sequin._param_object(params, 'metadata'), '{}');
  s.external_id := sequin._param_text(params, 'external_id');
  s.exclude_fields := coalesce(sequin._param_texts(params, 'exclude_fields'), '{}');
  s.base_url := sequin._param_base_url(params);
  IF s.base_url IS NOT NULL THEN
    PERFORM sequin._require_admin(actor, 'set base_url');
  END IF;
  ids := sequin._param_texts(params, 'collection_ids');
  IF ids IS NULL THEN
    PERFORM sequin._missing('collection_ids', 'Name collections, or give ["*"] for all.');
  END IF;
  IF params ->> 'provider' IS NOT NULL THEN
    PERFORM sequin._provider(sequin._param_text(params, 'provider', 200));
  END IF;
  SELECT c.key, c.provider INTO s.credential, s.provider FROM sequin._credential_of(actor, params) AS c;
  ids := sequin._chosen_collections(s.provider, ids);
  PERFORM sequin._check_excludes(s.provider, ids, s.exclude_fields);
  s.settings := sequin._param_settings((sequin._provider(s.provider)).manifest, params);
  s.owner := actor;
  INSERT INTO sequin._syncs AS x
    (id, provider, name, status, credential, rate_limit, max_age_days, sync_frequency, exclude_fields, base_url,
     settings, metadata, external_id, owner)
  VALUES
    (s.id, s.provider, s.name, s.status, s.credential, s.rate_limit, s.max_age_days, s.sync_frequency,
     s.exclude_fields, s.base_url, s.settings, s.metadata, s.external_id, s.owner)
  ON CONFLICT (id) DO NOTHING
  RETURNING x.* INTO s;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '42710', MESSAGE = format('there is a sync "%s" already', params ->> 'id'),
      HINT = 'Choose another id. The id of a deleted sync stays taken as long as events of it are kept.';
  END IF;
  INSERT INTO sequin._collections (sync, collection, id)
  SELECT s.key, i.ord, i.id FROM unnest(ids) WITH ORDINALITY AS i(id, ord);
  PERFORM sequin._note_instance(actor);
  PERFORM sequin._changed(s.key);
  RETURN sequin._sync_answer(s);
END
$$;

CREATE FUNCTION sequin.update_sync(params jsonb) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.update_sync(id text, changes jsonb) RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$ SELECT sequin.update_sync(changes OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('id', id)) $$;

-- Changes the fields that are given; null takes a value away. What must stay as it was made: the
-- credential and the provider, because the records are that account's.
CREATE FUNCTION sequin._do_update_sync(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  s sequin._syncs := sequin._sync_to_change(actor, sequin._need_text(params, 'id'));
  fixed text;
  ids text[];
BEGIN
  SELECT f INTO fixed FROM unnest('{provider,credential,credential_id}'::text[]) WITH ORDINALITY AS w(f, ord)
  WHERE params ? f AND NOT (f = 'provider' AND params ->> f = s.provider) ORDER BY ord LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('field "%s" of a sync cannot change', fixed),
      HINT = CASE fixed WHEN 'provider' THEN 'Create another sync.'
        ELSE 'Replace the secret with sequin.update_credential, or create another sync.' END;
  END IF;
  PERFORM sequin._only(params, '{id,provider,name,collection_ids,purge,rate_limit,status,max_age_days,sync_frequency,
    metadata,external_id,exclude_fields,settings,base_url}');
  IF params ? 'base_url' THEN
    PERFORM sequin._require_admin(actor, 'set base_url');
  END IF;
  ids := coalesce(sequin._chosen_collections(s.provider, sequin._param_texts(params, 'collection_ids')),
    ARRAY(SELECT c.id FROM sequin._collections AS c WHERE c.sync = s.key AND c.active));
  IF params ? 'exclude_fields' THEN
    s.exclude_fields := coalesce(sequin._param_texts(params, 'exclude_fields'), '{}');
  END IF;
  PERFORM sequin._check_excludes(s.provider, ids, s.exclude_fields);
  PERFORM sequin._choose_collections(s.key, ids, coalesce(sequin._param_boolean(params, 'purge'), false));
  UPDATE sequin._syncs AS x SET
    name = CASE WHEN params ? 'name' THEN sequin._need_text(params, 'name', 200) ELSE x.name END,
    status = coalesce(sequin._param_word(params, 'status', '{active,disabled}'), x.status),
    rate_limit = CASE WHEN params ? 'rate_limit' THEN sequin._param_rate_limit(params) ELSE x.rate_limit END,
    max_age_days = CASE WHEN params ? 'max_age_days' THEN sequin._param_number(params, 'max_age_days', 0.001, 36500)
                        ELSE x.max_age_days END,
    sync_frequency = CASE WHEN params ? 'sync_frequency' THEN coalesce(sequin._param_frequency(params), 'continuous')
                          ELSE x.sync_frequency END,
    metadata = CASE WHEN params ? 'metadata' THEN coalesce(sequin._param_object(params, 'metadata'), '{}')
                    ELSE x.metadata END,
    external_id = CASE WHEN params ? 'external_id' THEN sequin._param_text(params, 'external_id') ELSE x.external_id END,
    exclude_fields = s.exclude_fields,
    settings = CASE WHEN params ? 'settings' THEN
                      sequin._param_settings((sequin._provider(s.provider)).manifest, params) ELSE x.settings END,
    base_url = CASE WHEN params ? 'base_url' THEN sequin._param_base_url(params) ELSE x.base_url END,
    updated_at = now()
  WHERE x.key = s.key
  RETURNING * INTO s;
  PERFORM sequin._changed(s.key);
  RETURN sequin._sync_answer(s);
END
$$;

-- Makes the active collections of a sync exactly these. One that comes back goes on under its number.
CREATE FUNCTION sequin._choose_collections(a_sync integer, ids text[], purge_removed boolean) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  UPDATE sequin._collections AS c SET active = c.id = ANY (ids), purge = c.id <> ALL (ids) AND (c.purge OR purge_removed)
  WHERE c.sync = a_sync
    AND (c.active, c.purge) IS DISTINCT FROM (c.id = ANY (ids), c.id <> ALL (ids) AND (c.purge OR purge_removed));
  INSERT INTO sequin._collections (sync, collection, id)
  SELECT a_sync, (SELECT coalesce(max(c.collection), 0) FROM sequin._collections AS c WHERE c.sync = a_sync)
                 + row_number() OVER (ORDER BY i.ord), i.id
  FROM unnest(ids) WITH ORDINALITY AS i(id, ord)
  WHERE NOT EXISTS (SELECT FROM sequin._collections AS c WHERE c.sync = a_sync AND c.id = i.id);
$$;

CREATE FUNCTION sequin.delete_sync(params jsonb) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.delete_sync(id text) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

-- Marks it, and returns: the rows leave the views with the commit, and the disk later.
CREATE FUNCTION sequin._do_delete_sync(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  s sequin._syncs := sequin._sync_to_change(actor, sequin._only_id(params));
BEGIN
  UPDATE sequin._syncs AS x SET deleted_at = now(), updated_at = now() WHERE x.key = s.key;
  PERFORM sequin._changed(s.key);
  RETURN jsonb_build_object('id', s.id, 'deleted', true);
END
$$;

CREATE FUNCTION sequin.get_sync(params jsonb) RETURNS jsonb
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.get_sync(id text) RETURNS jsonb
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin._do_get_sync(actor text, params jsonb) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT sequin._sync_json(sequin._sync_to_read(actor, sequin._only_id(params))) $$;

CREATE FUNCTION sequin.list_syncs(params jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin._do_list_syncs(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  limited integer := sequin._param_limit(params, 1000);
  answer jsonb;
BEGIN
  PERFORM sequin._only(params,
    '{provider,name,status,external_id,credential_id,metadata,health.status,limit,after_cursor}');
  WITH wanted AS (
    SELECT sequin._param_text(params, 'provider') AS provider,
           sequin._param_text(params, 'name') AS name,
           sequin._param_word(params, 'status', '{active,disabled}') AS status,
           sequin._param_text(params, 'external_id') AS external_id,
           sequin._param_text(params, 'credential_id') AS credential_id,
           sequin._param_object(params, 'metadata') AS metadata,
           sequin._param_word(params, 'health.status', '{ok,warn,error}') AS health,
           coalesce(sequin._param_cursor(params), 0) AS after
  ), page AS MATERIALIZED (
    SELECT s.*
    FROM sequin._syncs AS s, wanted AS w
    WHERE s.deleted_at IS NULL
      AND s.key IN (SELECT sequin._visible_syncs(actor))
      AND s.key > w.after
      AND (w.provider IS NULL OR s.provider = w.provider)
      AND (w.name IS NULL OR s.name = w.name)
      AND (w.status IS NULL OR s.status = w.status)
      AND (w.external_id IS NULL OR s.external_id = w.external_id)
      AND (w.credential_id IS NULL
           OR s.credential = (SELECT c.key FROM sequin._credentials AS c WHERE c.id = w.credential_id))
      AND (w.metadata IS NULL OR s.metadata @> w.metadata)
      AND (w.health IS NULL OR w.health = sequin._sync_health(s.key) ->> 'status')
    ORDER BY s.key
    LIMIT limited
  )
  SELECT jsonb_build_object(
    'data', coalesce(jsonb_agg(sequin._sync_json(p::sequin._syncs) ORDER BY p.key), '[]'),
    'cursor', CASE WHEN count(*) = limited THEN sequin._cursor(max(p.key)) END)
  INTO answer FROM page AS p;
  RETURN answer;
END
$$;

CREATE FUNCTION sequin.pause_sync(params jsonb) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.pause_sync(id text) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin._do_pause_sync(actor text, params jsonb) RETURNS jsonb
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT sequin._do_update_sync(actor, jsonb_build_object('id', sequin._only_id(params), 'status', 'disabled'))
$$;

CREATE FUNCTION sequin.resume_sync(params jsonb) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.resume_sync(id text) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin._do_resume_sync(actor text, params jsonb) RETURNS jsonb
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT sequin._do_update_sync(actor, jsonb_build_object('id', sequin._only_id(params), 'status', 'active'))
$$;

CREATE FUNCTION sequin.refresh_sync(params jsonb) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.refresh_sync(id text) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

-- Asks for a pass that begins after this.
CREATE FUNCTION sequin._do_refresh_sync(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  s sequin._syncs := sequin._sync_to_change(actor, sequin._only_id(params));
BEGIN
  PERFORM sequin._require_workers();
  IF s.status = 'disabled' THEN
    RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('sync "%s" is paused', s.id),
      HINT = 'Resume it with sequin.resume_sync.';
  END IF;
  UPDATE sequin._syncs AS x SET refresh_requests = x.refresh_requests + 1 WHERE x.key = s.key RETURNING * INTO s;
  PERFORM sequin._changed(s.key);
  RETURN sequin._sync_json(s);
END
$$;
