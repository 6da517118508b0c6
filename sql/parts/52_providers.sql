-- Providers: manifests, and the collections they offer.

-- The manifest in the parameters: the whole of them, or {"manifest": {..}, "fields": {..}}.
CREATE FUNCTION sequin._manifest_of(params jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF jsonb_typeof(params) = 'object' AND jsonb_typeof(params -> 'manifest') = 'object' THEN
    PERFORM sequin._only(params, '{manifest,fields}');
    RETURN params -> 'manifest';
  END IF;
  RETURN params;
END
$$;

-- Refuses a manifest with a mistake in it. What C++ leaves open is checked here by the server itself:
-- the syntax of jsonpaths, and the regular expressions that SQL will match with.
CREATE FUNCTION sequin._require_sound_manifest(manifest jsonb) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  path record;
  pattern record;
  trouble text;
BEGIN
  FOR path IN
    SELECT u.* FROM jsonb_to_recordset(sequin._check_manifest(manifest) -> 'jsonpaths')
      AS u(place text, path text, predicate boolean)
  LOOP
    BEGIN
      PERFORM path.path::jsonpath;
    EXCEPTION WHEN OTHERS THEN
      trouble := SQLERRM;
      RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('%s: not a jsonpath: %s', path.place, trouble),
        HINT = 'Write a Postgres jsonpath, such as $.data[*].';
    END;
    CONTINUE WHEN NOT path.predicate;
    BEGIN
      PERFORM jsonb_path_match('{}', path.path::jsonpath);
    EXCEPTION
      WHEN singleton_sql_json_item_required THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('%s: not a predicate', path.place),
          HINT = 'Write a comparison that is true or false, such as $.deleted == true.';
      WHEN OTHERS THEN
        -- an error about the empty document says nothing about the predicate
        NULL;
    END;
  END LOOP;
  FOR pattern IN
    SELECT format('auth.%s.secrets.%s.pattern', a.key, s.key) AS place, s.value ->> 'pattern' AS regex
    FROM jsonb_each(manifest -> 'auth') AS a, jsonb_each(a.value -> 'secrets') AS s
    UNION ALL
    SELECT format('settings.%s.pattern', s.key), s.value ->> 'pattern' FROM jsonb_each(manifest -> 'settings') AS s
  LOOP
    BEGIN
      PERFORM '' ~ pattern.regex;
    EXCEPTION WHEN invalid_regular_expression THEN
      trouble := SQLERRM;
      RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('%s: %s', pattern.place, trouble),
        HINT = 'Write a regular expression of Postgres.';
    END;
  END LOOP;
END
$$;

CREATE FUNCTION sequin._provider_json(p sequin._providers) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_build_object(
    'id', p.name,
    'name', coalesce(p.manifest ->> 'title', p.name),
    'version', p.version,
    'hosts', p.manifest -> 'hosts',
    'kinds', (SELECT jsonb_agg(k ORDER BY k) FROM jsonb_object_keys(p.manifest -> 'auth') AS k),
    'collection_ids', (SELECT coalesce(jsonb_agg(k.id ORDER BY k.id), '[]') FROM sequin._collection_specs(p.name) AS k),
    'shipped', p.shipped,
    'owner', p.owner,
    'created_at', sequin._iso(p.created_at),
    'updated_at', sequin._iso(p.updated_at))
$$;

CREATE FUNCTION sequin.create_provider(manifest jsonb) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.create_provider(manifest text) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

-- Adds a provider, or replaces one of our own by another version of it. A manifest decides where secrets
-- are sent, so only administrators may.
CREATE FUNCTION sequin._do_create_provider(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  wanted jsonb := sequin._manifest_of(params);
  catalogue jsonb := CASE WHEN wanted <> params THEN sequin._param(params, 'fields', 'object') END;
  old sequin._providers;
  p sequin._providers;
BEGIN
  PERFORM sequin._require_admin(actor, 'add providers');
  PERFORM sequin._require_sound_manifest(wanted);
  SELECT * INTO old FROM sequin._providers AS x WHERE x.name = wanted ->> 'provider' FOR UPDATE;
  IF old.shipped THEN
    RAISE EXCEPTION USING ERRCODE = '42710', MESSAGE = format('provider "%s" is shipped with the extension', old.name),
      HINT = 'Give your manifest another provider name.';
  ELSIF old.version = wanted ->> 'version' AND old.manifest <> wanted THEN
    RAISE EXCEPTION USING ERRCODE = '42710',
      MESSAGE = format('there is a provider "%s" of version "%s" already', old.name, old.version),
      HINT = 'Give a changed manifest another version.';
  END IF;
  IF old.name IS NOT NULL THEN
    PERFORM sequin._require_nothing_lost(old.name, wanted);
  END IF;
  INSERT INTO sequin._providers AS x (name, version, manifest, fields, owner)
  VALUES (wanted ->> 'provider', wanted ->> 'version', wanted, coalesce(catalogue, '{}'), actor)
  ON CONFLICT (name) DO UPDATE SET
    version = excluded.version, manifest = excluded.manifest, fields = coalesce(catalogue, x.fields),
    updated_at = now()
  RETURNING * INTO p;
  PERFORM sequin._changed(0);
  RETURN sequin._provider_json(p);
END
$$;

-- A new version must still have what credentials and syncs use.
CREATE FUNCTION sequin._require_nothing_lost(provider_name text, manifest jsonb) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  lost record;
BEGIN
  SELECT format('collection "%s"', c.id) AS what, format('sync "%s"', s.id) AS who INTO lost
  FROM sequin._syncs AS s JOIN sequin._collections AS c ON c.sync = s.key
  WHERE s.provider = provider_name AND s.deleted_at IS NULL AND c.active
    AND NOT coalesce(manifest -> 'collections' ? split_part(c.id, ':', 2), false)
  ORDER BY s.key, c.collection LIMIT 1;
  IF NOT FOUND THEN
    SELECT format('credential kind "%s"', c.kind) AS what, format('credential "%s"', c.id) AS who INTO lost
    FROM sequin._credentials AS c
    WHERE c.provider = provider_name AND NOT coalesce(manifest -> 'auth' ? c.kind, false)
    ORDER BY c.key LIMIT 1;
  END IF;
  IF lost.what IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('%s is gone from the manifest, but in use', lost.what),
      DETAIL = format('It is used by %s.', lost.who), HINT = 'Keep it, or delete first what uses it.';
  END IF;
END
$$;

CREATE FUNCTION sequin.delete_provider(params jsonb) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.delete_provider(id text) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin._do_delete_provider(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  p sequin._providers := sequin._provider(sequin._only_id(params));
  users text[];
BEGIN
  PERFORM sequin._require_admin(actor, 'delete providers');
  IF p.shipped THEN
    RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('provider "%s" is shipped with the extension', p.name),
      HINT = 'Leave it: it does nothing without a sync.';
  END IF;
  PERFORM FROM sequin._providers AS x WHERE x.name = p.name FOR UPDATE;
  users := ARRAY(SELECT c.id FROM sequin._credentials AS c WHERE c.provider = p.name ORDER BY c.key LIMIT 20);
  IF users <> '{}' THEN
    RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('provider "%s" is in use', p.name),
      DETAIL = format('Credentials that use it: %s.', array_to_string(users, ', ')),
      HINT = 'Delete these credentials first.';
  END IF;
  DELETE FROM sequin._providers AS x WHERE x.name = p.name;
  PERFORM sequin._changed(0);
  RETURN jsonb_build_object('id', p.name, 'deleted', true);
END
$$;

CREATE FUNCTION sequin.list_providers(params jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

-- Providers have no number, so the cursor is the last name, in base64 as all cursors are.
CREATE FUNCTION sequin._do_list_providers(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  limited integer := sequin._param_limit(params, 1000);
  answer jsonb;
BEGIN
  PERFORM sequin._only(params, '{limit,after_cursor}');
  WITH page AS (
    SELECT p.name, sequin._provider_json(p) AS item
    FROM sequin._providers AS p
    WHERE p.name > sequin._param_text_cursor(params)
    ORDER BY p.name
    LIMIT limited
  )
  SELECT jsonb_build_object(
    'data', coalesce(jsonb_agg(item ORDER BY name), '[]'),
    'cursor', CASE WHEN count(*) = limited THEN sequin._text_cursor(max(name)) END)
  INTO answer FROM page;
  RETURN answer;
END
$$;

CREATE FUNCTION sequin.check_provider(manifest jsonb) RETURNS jsonb
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.check_provider(id text) RETURNS jsonb
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

-- Checks a manifest, or that of a provider, and says what it holds. Nothing is stored.
CREATE FUNCTION sequin._do_check_provider(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  manifest jsonb := sequin._manifest_of(params);
BEGIN
  -- an id comes alone; a manifest has no such member
  IF jsonb_typeof(params) = 'object' AND params ? 'id' AND NOT params ? 'manifest' THEN
    manifest := (sequin._provider(sequin._only_id(params))).manifest;
  END IF;
  PERFORM sequin._require_sound_manifest(manifest);
  RETURN (
    SELECT jsonb_build_object(
      'status', 'ok',
      'provider', manifest ->> 'provider',
      'version', manifest ->> 'version',
      'collection_ids', coalesce(jsonb_agg(manifest ->> 'provider' || ':' || c.key ORDER BY c.key), '[]'),
      'notes', coalesce(jsonb_agg(
        format('Deletes in %s:%s are not noticed: %s', manifest ->> 'provider', c.key, d ->> 'because') ORDER BY c.key)
        FILTER (WHERE d IS NOT NULL), '[]'))
    FROM jsonb_each(manifest -> 'collections') AS c
    LEFT JOIN LATERAL (
      SELECT e AS d
      FROM jsonb_array_elements((coalesce(manifest -> 'templates' -> (c.value ->> 'use'), '{}') || c.value) -> 'deletes') AS e
      WHERE e ->> 'kind' = 'never' LIMIT 1) AS never ON true);
END
$$;

CREATE FUNCTION sequin.list_collections(params jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.list_collections(id text) RETURNS jsonb
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

-- What can be synced: everything, or what a provider or a credential offers. `id` is either of them.
CREATE FUNCTION sequin._do_list_collections(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  limited integer := sequin._param_limit(params, 1000);
  of_provider text := sequin._param_text(params, 'provider');
  of_credential text := sequin._param_text(params, 'credential_id');
  either text := sequin._param_text(params, 'id');
  answer jsonb;
BEGIN
  PERFORM sequin._only(params, '{id,provider,credential_id,limit,after_cursor}');
  IF EXISTS (SELECT FROM sequin._providers AS p WHERE p.name = either) THEN
    of_provider := either;
  ELSIF either IS NOT NULL AND NOT EXISTS (SELECT FROM sequin._credentials AS c WHERE c.id = either) THEN
    RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = 'there is no provider and no credential of this id',
      HINT = 'See those there are with sequin.list_providers() and sequin.list_credentials().';
  ELSE
    of_credential := coalesce(of_credential, either);
  END IF;
  IF of_credential IS NOT NULL THEN
    of_provider := (sequin._credential_to_read(actor, of_credential)).provider;
  ELSIF of_provider IS NOT NULL THEN
    of_provider := (sequin._provider(of_provider)).name;
  END IF;
  WITH page AS (
    SELECT k.id COLLATE "C" AS id, jsonb_build_object(
      'id', k.id,
      'upstream_id', k.object,
      'provider', p.name,
      'name', coalesce(k.spec ->> 'title', initcap(replace(k.object, '_', ' '))),
      'links', jsonb_build_array(),
      'fields', sequin._fields(k.id, p.fields -> k.object, k.spec),
      'parent_id', p.name || ':' || (k.spec #>> '{parent,collection}'),
      'incremental', k.spec #>> '{incremental,mode}',
      'deletes', to_jsonb(sequin._delete_kinds(k.spec))) AS item
    FROM sequin._providers AS p, sequin._collection_specs(p.name) AS k
    WHERE (of_provider IS NULL OR p.name = of_provider)
      AND k.id COLLATE "C" > sequin._param_text_cursor(params)
    ORDER BY k.id COLLATE "C"
    LIMIT limited
  )
  SELECT jsonb_build_object(
    'data', coalesce(jsonb_agg(page.item ORDER BY page.id), '[]'),
    'cursor', CASE WHEN count(*) = limited THEN sequin._text_cursor(max(page.id)) END)
  INTO answer FROM page;
  RETURN answer;
END
$$;

CREATE FUNCTION sequin.refresh_collections(params jsonb) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.refresh_collections(credential_id text) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

-- The catalogue of a provider without discovery is its manifest, which is always fresh.
CREATE FUNCTION sequin._do_refresh_collections(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  c sequin._credentials;
BEGIN
  PERFORM sequin._only(params, '{id,credential_id}');
  c := sequin._credential_to_use(actor, coalesce(sequin._param_text(params, 'credential_id'),
    CASE WHEN params ? 'id' THEN sequin._need_text(params, 'id') ELSE sequin._need_text(params, 'credential_id') END));
  RETURN jsonb_build_object(
    'credential_id', c.id,
    'last_started_at', sequin._iso(now()),
    'last_succeeded_at', sequin._iso(now()),
    'status', 'succeeded',
    'error', NULL);
END
$$;
