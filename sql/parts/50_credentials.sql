-- Credentials. Secrets are sealed before they reach a table and never come back out of a function.

-- What is not well with a credential: what workers learned of its present secret, and an OAuth app
-- that is named but not known here. The body is parsed when created, so that queries take it in.
CREATE FUNCTION sequin._credential_problems(a_key integer, a_revision integer, a_oauth_app_id text, made_at timestamptz)
RETURNS TABLE (status text, code text, note text, since timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT f.status, 'credential', n.note, f.checked_at
  FROM sequin._credential_facts AS f, unnest(f.notes) AS n(note)
  WHERE f.credential = a_key AND f.revision = a_revision AND f.status <> 'ok'
  UNION ALL
  SELECT 'warn', 'oauth_app_unknown',
         format('OAuth app "%s" is not known here; the token is used as it is and cannot be renewed.', a_oauth_app_id),
         made_at
  WHERE a_oauth_app_id IS NOT NULL;
END;

CREATE FUNCTION sequin._credential_health(a_key integer, a_revision integer, a_oauth_app_id text, made_at timestamptz)
RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_build_object(
    'status', CASE WHEN bool_or(p.status = 'error') THEN 'error' WHEN count(*) > 0 THEN 'warn' ELSE 'ok' END,
    'notes', coalesce(jsonb_agg(p.note ORDER BY p.status, p.since, p.note), '[]'),
    'code', (array_agg(p.code ORDER BY p.status, p.since))[1],
    'since', sequin._iso((array_agg(p.since ORDER BY p.status, p.since))[1]),
    'time', (SELECT sequin._iso(f.checked_at) FROM sequin._credential_facts AS f
             WHERE f.credential = a_key AND f.revision = a_revision))
  FROM sequin._credential_problems(a_key, a_revision, a_oauth_app_id, made_at) AS p
$$;

CREATE FUNCTION sequin._credential_json(c sequin._credentials) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_build_object(
    'id', c.id,
    'provider', c.provider,
    'name', c.name,
    'kind', c.kind,
    'properties', jsonb_build_object('kind', c.kind) || c.properties
      || coalesce((SELECT jsonb_object_agg(s, '***********') FROM unnest(c.secret_names) AS s), '{}'),
    'oauth_app_id', c.oauth_app_id,
    'base_url', c.base_url,
    'account', (SELECT f.account FROM sequin._credential_facts AS f
                WHERE f.credential = c.key AND f.revision = c.revision),
    'health', sequin._credential_health(c.key, c.revision, c.oauth_app_id, c.created_at),
    'metadata', c.metadata,
    'owner', c.owner,
    'created_at', sequin._iso(c.created_at),
    'updated_at', sequin._iso(c.updated_at))
$$;

-- The provider and the kind of a new credential; each may follow from the other.
CREATE FUNCTION sequin._credential_kind(body jsonb, place text, OUT provider sequin._providers, OUT kind text)
RETURNS record
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  provider_name text := sequin._param_text(body, 'provider', 200, place);
  candidates text[];
BEGIN
  kind := sequin._param_text(body, 'kind', 200, place);
  IF provider_name IS NULL AND kind IS NULL THEN
    PERFORM sequin._missing(place || 'kind', 'Give the kind, or the provider if it has one kind only.');
  END IF;
  IF provider_name IS NULL THEN
    candidates := ARRAY(SELECT p.name FROM sequin._providers AS p WHERE p.manifest -> 'auth' ? kind ORDER BY 1);
    IF cardinality(candidates) > 1 THEN
      PERFORM sequin._missing(place || 'provider',
        format('This kind belongs to several providers: %s.', array_to_string(candidates, ', ')));
    ELSIF candidates = '{}' THEN
      -- the word is not repeated: a secret may stand where the kind should
      RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('field "%skind" is no kind of credential', place),
        HINT = sequin._perhaps(kind,
          ARRAY(SELECT DISTINCT k FROM sequin._providers AS p, jsonb_object_keys(p.manifest -> 'auth') AS k ORDER BY 1));
    END IF;
    provider_name := candidates[1];
  END IF;
  provider := sequin._provider(provider_name);
  candidates := ARRAY(SELECT jsonb_object_keys(provider.manifest -> 'auth') ORDER BY 1);
  IF kind IS NULL AND cardinality(candidates) > 1 THEN
    PERFORM sequin._missing(place || 'kind',
      format('Provider "%s" has the kinds %s.', provider_name, array_to_string(candidates, ', ')));
  END IF;
  kind := coalesce(kind, candidates[1]);
  IF kind <> ALL (candidates) THEN
    RAISE EXCEPTION USING ERRCODE = '22023',
      MESSAGE = format('field "%skind" is no kind of credential of provider "%s"', place, provider_name),
      HINT = sequin._perhaps(kind, candidates);
  END IF;
END
$$;

-- Makes a credential, or finds the one that the same owner made of the same account before: importing
-- is idempotent.
CREATE FUNCTION sequin._store_credential(actor text, params jsonb, place text) RETURNS sequin._credentials
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  body jsonb := sequin._flat(params, place);
  k record := sequin._credential_kind(body, place);
  auth jsonb := (k.provider).manifest -> 'auth' -> k.kind;
  wanted_id text := sequin._param_new_id(body);
  base_url text := sequin._param_base_url(body);
  v record;
  c sequin._credentials;
BEGIN
  PERFORM sequin._only(body,
    '{id,name,provider,kind,oauth_app_id,metadata,base_url}' || ARRAY(
      SELECT unnest(spellings) FROM sequin._auth_fields(auth)), place);
  IF base_url IS NOT NULL THEN
    PERFORM sequin._require_admin(actor, 'set base_url');
  END IF;
  v := sequin._credential_values(actor, auth, body, place);
  PERFORM sequin._require_secrets(auth, v.secrets, place);
  c.id := wanted_id;
  c.provider := (k.provider).name;
  c.kind := k.kind;
  c.name := sequin._param_text(body, 'name', 200, place);
  c.properties := v.properties;
  c.base_url := base_url;
  c.oauth_app_id := sequin._param_text(body, 'oauth_app_id', 200, place);
  c.metadata := sequin._param_object(body, 'metadata');
  c.owner := actor;
  c.secret_digest := sequin._credential_digest((k.provider).manifest, v.secrets, v.properties, base_url);
  c.secret_names := ARRAY(SELECT jsonb_object_keys(v.secrets));
  c.secrets := sequin._seal(c.id, v.secrets::text);
  RETURN sequin._import_credential(c, body ? 'id');
END
$$;

-- Inserts the row, or brings the one of the same account up to date.
CREATE FUNCTION sequin._import_credential(wanted sequin._credentials, id_is_given boolean) RETURNS sequin._credentials
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  c sequin._credentials;
  is_failing boolean;
BEGIN
  LOOP
    SELECT * INTO c FROM sequin._credentials AS x
    WHERE x.provider = wanted.provider AND x.owner = wanted.owner AND x.secret_digest = wanted.secret_digest
    FOR KEY SHARE;
    EXIT WHEN FOUND;
    INSERT INTO sequin._credentials AS x
      (id, provider, kind, name, secrets, secret_names, properties, secret_digest, base_url, oauth_app_id, metadata, owner)
    VALUES
      (wanted.id, wanted.provider, wanted.kind, wanted.name, wanted.secrets, wanted.secret_names, wanted.properties,
       wanted.secret_digest, wanted.base_url, wanted.oauth_app_id, coalesce(wanted.metadata, '{}'), wanted.owner)
    ON CONFLICT DO NOTHING
    RETURNING * INTO c;
    IF FOUND THEN
      RETURN c;
    END IF;
    IF EXISTS (SELECT FROM sequin._credentials AS x WHERE x.id = wanted.id) THEN
      RAISE EXCEPTION USING ERRCODE = '42710', MESSAGE = format('there is a credential "%s" already', wanted.id),
        HINT = 'Replace its secret with sequin.update_credential, or choose another id.';
    END IF;
  END LOOP;
  IF id_is_given AND c.id <> wanted.id THEN
    RAISE EXCEPTION USING ERRCODE = '42710', MESSAGE = format('this account is credential "%s" already', c.id),
      HINT = 'Use that one, or leave "id" out.';
  END IF;
  -- whoever imports a failing credential again wants it tried again
  is_failing := EXISTS (SELECT FROM sequin._credential_facts AS f
                        WHERE f.credential = c.key AND f.revision = c.revision AND f.status = 'error');
  UPDATE sequin._credentials AS x SET
    kind = wanted.kind,
    name = coalesce(wanted.name, x.name),
    properties = x.properties || wanted.properties,
    oauth_app_id = coalesce(wanted.oauth_app_id, x.oauth_app_id),
    metadata = coalesce(wanted.metadata, x.metadata),
    revision = x.revision + CASE WHEN x.kind <> wanted.kind OR x.properties <> x.properties || wanted.properties
      OR is_failing THEN 1 ELSE 0 END,
    updated_at = now()
  WHERE x.key = c.key
    AND (is_failing OR (x.kind, x.name, x.properties, x.oauth_app_id, x.metadata) IS DISTINCT FROM
      (wanted.kind, coalesce(wanted.name, x.name), x.properties || wanted.properties,
       coalesce(wanted.oauth_app_id, x.oauth_app_id), coalesce(wanted.metadata, x.metadata)));
  SELECT * INTO c FROM sequin._credentials AS x WHERE x.key = c.key;
  RETURN c;
END
$$;

-- A credential by its id, as one may see it.
CREATE FUNCTION sequin._credential_to_read(actor text, credential_id text) RETURNS sequin._credentials
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  r record := sequin._reach(actor);
  c sequin._credentials;
BEGIN
  SELECT * INTO c FROM sequin._credentials AS x WHERE x.id = credential_id;
  IF NOT FOUND OR NOT (r.is_admin OR c.owner::name = ANY (r.roles) OR EXISTS (
    SELECT FROM sequin._syncs AS s
    WHERE s.credential = c.key AND s.deleted_at IS NULL AND (r.reads_all OR s.owner::name = ANY (r.roles) OR s.key = ANY (r.reads))))
  THEN
    RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = 'there is no credential of this id',
      HINT = 'See those there are with sequin.list_credentials().';
  END IF;
  RETURN c;
END
$$;

-- A credential that the actor may use and change: its own, or any for an administrator.
CREATE FUNCTION sequin._credential_to_use(actor text, credential_id text) RETURNS sequin._credentials
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  r record := sequin._reach(actor);
  c sequin._credentials := sequin._credential_to_read(actor, credential_id);
BEGIN
  IF NOT r.is_admin AND NOT (r.is_operator AND c.owner::name = ANY (r.roles)) THEN
    RAISE EXCEPTION USING ERRCODE = '42501',
      MESSAGE = format('role "%s" may not use or change credential "%s"', actor, c.id),
      HINT = 'Import the account under this role, or ask an administrator.';
  END IF;
  RETURN c;
END
$$;

CREATE FUNCTION sequin.create_credential(params jsonb) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

-- Named forms are plain single expressions, so that the planner inlines them and the entry stays at the
-- top of the statement, where it can hide a literal secret. They are not STRICT and set nothing.
CREATE FUNCTION sequin.create_credential(
  kind text,
  secret text,
  name text DEFAULT NULL,
  metadata jsonb DEFAULT NULL,
  provider text DEFAULT NULL,
  properties jsonb DEFAULT NULL,
  oauth_app_id text DEFAULT NULL,
  base_url text DEFAULT NULL,
  id text DEFAULT NULL)
RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
  SELECT sequin.create_credential(sequin._given(pg_catalog.jsonb_build_object(
    'kind', kind, 'secret', secret, 'name', name, 'metadata', metadata, 'provider', provider,
    'properties', properties, 'oauth_app_id', oauth_app_id, 'base_url', base_url, 'id', id)))
$$;

CREATE FUNCTION sequin._do_create_credential(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  c sequin._credentials;
BEGIN
  PERFORM sequin._require_operator(actor);
  PERFORM sequin._require_object(params);
  c := sequin._store_credential(actor, params, '');
  PERFORM sequin._note_instance(actor);
  PERFORM sequin._changed(0);
  RETURN sequin._credential_json(c);
END
$$;

CREATE FUNCTION sequin.update_credential(params jsonb) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.update_credential(id text, changes jsonb) RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE
AS $$
  SELECT sequin.update_credential(changes OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('id', id))
$$;

-- Changes what is given. A new secret makes a new revision: what workers learned of the old one is
-- void, and syncs that stopped because of it go on. Null takes a value away.
CREATE FUNCTION sequin._do_update_credential(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  c sequin._credentials := sequin._credential_to_use(actor, sequin._need_text(params, 'id'));
  p sequin._providers := sequin._provider(c.provider);
  body jsonb := sequin._flat(params, '');
  auth jsonb;
  v record;
  place text;
BEGIN
  SELECT * INTO STRICT c FROM sequin._credentials AS x WHERE x.key = c.key FOR NO KEY UPDATE;
  place := sequin._credential_place(p.manifest, c.properties, c.base_url);
  IF coalesce(sequin._param_text(body, 'provider'), c.provider) <> c.provider THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'the provider of a credential cannot change',
      HINT = 'Create another credential.';
  END IF;
  c.kind := (sequin._credential_kind(
    body || jsonb_build_object('provider', c.provider, 'kind', coalesce(body ->> 'kind', c.kind)), '')).kind;
  auth := p.manifest -> 'auth' -> c.kind;
  PERFORM sequin._only(body, '{id,name,provider,kind,oauth_app_id,metadata,base_url}' || ARRAY(
    SELECT unnest(spellings) FROM sequin._auth_fields(auth)));
  IF body ? 'base_url' THEN
    PERFORM sequin._require_admin(actor, 'set base_url');
    c.base_url := sequin._param_base_url(body);
  END IF;
  v := sequin._credential_values(actor, auth, body, '');
  IF v.secrets <> '{}' THEN
    PERFORM sequin._require_secrets(auth, v.secrets, '');
    c.secrets := sequin._seal(c.id, v.secrets::text);
    c.secret_names := ARRAY(SELECT jsonb_object_keys(v.secrets));
    c.secret_digest := sequin._credential_digest(p.manifest, v.secrets, c.properties || v.properties, c.base_url);
  ELSIF c.kind <> (SELECT x.kind FROM sequin._credentials AS x WHERE x.key = c.key) THEN
    PERFORM sequin._require_secrets(auth, '{}', '');
  ELSIF sequin._credential_place(p.manifest, c.properties || v.properties, c.base_url) <> place THEN
    -- it signs in elsewhere, or as somebody else
    PERFORM sequin._require_secrets(auth, '{}', '');
  END IF;
  UPDATE sequin._credentials AS x SET
    kind = c.kind,
    name = CASE WHEN body ? 'name' THEN sequin._param_text(body, 'name', 200) ELSE x.name END,
    properties = x.properties || v.properties,
    base_url = c.base_url,
    oauth_app_id = CASE WHEN body ? 'oauth_app_id' THEN sequin._param_text(body, 'oauth_app_id', 200)
                        ELSE x.oauth_app_id END,
    metadata = CASE WHEN body ? 'metadata' THEN coalesce(sequin._param_object(body, 'metadata'), '{}')
                    ELSE x.metadata END,
    secrets = c.secrets,
    secret_names = c.secret_names,
    secret_digest = c.secret_digest,
    revision = x.revision + CASE WHEN v.secrets <> '{}' OR x.properties <> x.properties || v.properties
                                      OR x.base_url IS DISTINCT FROM c.base_url THEN 1 ELSE 0 END,
    updated_at = now()
  WHERE x.key = c.key
  RETURNING * INTO c;
  PERFORM sequin._changed(0);
  RETURN sequin._credential_json(c);
EXCEPTION
  WHEN unique_violation THEN
    RAISE EXCEPTION USING ERRCODE = '42710', MESSAGE = 'another credential of the same owner has this secret',
      HINT = 'Use that one, or delete it first.';
  WHEN no_data_found THEN
    RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = 'there is no credential of this id', HINT = 'It was deleted just now.';
END
$$;

CREATE FUNCTION sequin.delete_credential(params jsonb) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.delete_credential(id text) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin._do_delete_credential(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  c sequin._credentials := sequin._credential_to_use(actor, sequin._only_id(params));
  users text[];
BEGIN
  -- against a create_sync that is just taking it
  SELECT * INTO STRICT c FROM sequin._credentials AS x WHERE x.key = c.key FOR UPDATE;
  users := ARRAY(SELECT s.id FROM sequin._syncs AS s
                 WHERE s.credential = c.key AND s.deleted_at IS NULL ORDER BY s.key LIMIT 20);
  IF users <> '{}' THEN
    RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('credential "%s" is in use', c.id),
      DETAIL = format('Syncs that use it: %s.', array_to_string(users, ', ')), HINT = 'Delete these syncs first.';
  END IF;
  DELETE FROM sequin._credentials AS x WHERE x.key = c.key;
  PERFORM sequin._changed(0);
  RETURN jsonb_build_object('id', c.id, 'deleted', true);
EXCEPTION WHEN no_data_found THEN
  RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = 'there is no credential of this id', HINT = 'It was deleted just now.';
END
$$;

CREATE FUNCTION sequin.get_credential(params jsonb) RETURNS jsonb
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.get_credential(id text) RETURNS jsonb
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin._do_get_credential(actor text, params jsonb) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT sequin._credential_json(sequin._credential_to_read(actor, sequin._only_id(params))) $$;

CREATE FUNCTION sequin.list_credentials(params jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin._do_list_credentials(actor text, params jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  limited integer := sequin._param_limit(params, 1000);
  answer jsonb;
BEGIN
  PERFORM sequin._only(params, '{provider,kind,name,metadata,health.status,limit,after_cursor}');
  WITH wanted AS (
    SELECT sequin._param_text(params, 'provider') AS provider,
           sequin._param_text(params, 'kind') AS kind,
           sequin._param_text(params, 'name') AS name,
           sequin._param_object(params, 'metadata') AS metadata,
           sequin._param_word(params, 'health.status', '{ok,warn,error}') AS health,
           coalesce(sequin._param_cursor(params), 0) AS after
  ), page AS (
    SELECT c.key, sequin._credential_json(c) AS item
    FROM sequin._credentials AS c, wanted AS w
    WHERE c.key IN (SELECT sequin._visible_credentials(actor))
      AND c.key > w.after
      AND (w.provider IS NULL OR c.provider = w.provider)
      AND (w.kind IS NULL OR c.kind = w.kind)
      AND (w.name IS NULL OR c.name = w.name)
      AND (w.metadata IS NULL OR c.metadata @> w.metadata)
      AND (w.health IS NULL OR w.health =
           sequin._credential_health(c.key, c.revision, c.oauth_app_id, c.created_at) ->> 'status')
    ORDER BY c.key
    LIMIT limited
  )
  SELECT jsonb_build_object(
    'data', coalesce(jsonb_agg(item ORDER BY key), '[]'),
    'cursor', CASE WHEN count(*) = limited THEN sequin._cursor(max(key)) END)
  INTO answer FROM page;
  RETURN answer;
END
$$;

-- Proves a credential by a call to the API. The engine makes it.
CREATE FUNCTION sequin.test_credential(params jsonb) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

CREATE FUNCTION sequin.test_credential(id text) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';

-- Seals every secret anew with a new key.
CREATE FUNCTION sequin.rotate_key(params jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_call';
