-- Access: who sees and does what. Nothing is for everybody.
\getenv directory PG_ABS_SRCDIR
\i :directory/sql/begin.inc
CREATE ROLE regress_sequin_reader;
CREATE ROLE regress_sequin_operator;
CREATE ROLE regress_sequin_own;
CREATE ROLE regress_sequin_admin;
CREATE ROLE regress_sequin_nobody;
CREATE ROLE regress_sequin_member IN ROLE regress_sequin_reader;
\set ECHO none
\set QUIET on
SELECT sequin.create_credential('{"id": "key", "kind": "example_key", "secret": "ex_test_abcdefgh"}') \g /dev/null
SELECT sequin.create_sync('{"id": "one", "name": "One", "status": "disabled", "credential_id": "key", "collection_ids": ["example:note"]}') \g /dev/null
SELECT sequin.create_sync('{"id": "two", "name": "Two", "status": "disabled", "credential_id": "key", "collection_ids": ["example:note"]}') \g /dev/null
SELECT sequin._ensure_event_partitions(100, 100) \g /dev/null
SELECT sequin._apply(s.key, 1::smallint, '{a,b}', ARRAY['{"id": "a", "email": "a@x"}', '{"id": "b", "email": "b@x"}']::jsonb[], ARRAY[now(), now()], '{f,f}', NULL,
  NULL, NULL, NULL, NULL, NULL, NULL, '{}', NULL, 'b', true) FROM sequin._syncs AS s ORDER BY s.key \g /dev/null
INSERT INTO sequin._health (sync, part, status, code, note) SELECT key, 'provider', 'warn', 'slow', 'Slow: ' || id FROM sequin._syncs;
\set QUIET off
\set ECHO all

-- Before anything is granted nothing can be called or read.
SET ROLE regress_sequin_nobody;
SELECT sequin.list_syncs();
SELECT * FROM sequin.records;
RESET ROLE;
SELECT count(*) AS for_public FROM pg_proc AS p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
WHERE p.pronamespace = 'sequin'::regnamespace AND a.grantee = 0;
SELECT count(*) AS for_public FROM pg_class AS c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS a
WHERE c.relnamespace = 'sequin'::regnamespace AND a.grantee = 0;

-- A reader of one sync.
SELECT sequin.grant_access('regress_sequin_reader', 'reader', 'one');
SET ROLE regress_sequin_reader;
SELECT d ->> 'id' AS id FROM sequin.list_syncs() AS l, jsonb_array_elements(l -> 'data') AS d;
SELECT sequin.get_sync('one') ->> 'name' AS name;
SELECT sequin.get_sync('one') -> 'credential' -> 'properties' AS masked;
SELECT id, health -> 'notes' AS notes FROM sequin.syncs;
SELECT sync_id, upstream_id FROM sequin.records ORDER BY updated_idx;
SELECT sync_id, seq, upstream_id FROM sequin.events ORDER BY seq;
SELECT sync_id FROM sequin.sync_progress;
SELECT id, secret_names FROM sequin.credentials;
SELECT r ->> 'sync_id' AS sync, r ->> 'upstream_id' AS id FROM sequin.list_records() AS l, jsonb_array_elements(l -> 'records') AS r;
SELECT e ->> 'sync_id' AS sync, e ->> 'upstream_id' AS id FROM jsonb_array_elements(sequin.list_events()) AS e;
SELECT without(sequin.health(), 'time', 'notes') -> 'syncs' AS syncs, jsonb_path_query_array(sequin.health(), '$.problems[*].sync_id') AS problems;
SELECT DISTINCT labels -> 'sync_id' AS syncs FROM sequin.metrics() WHERE labels ? 'sync_id';
SELECT count(*) > 0 AS providers FROM sequin.providers;
-- What it may not see is as if it were not there.
SELECT sequin.get_sync('two');
SELECT sequin.list_events('{"sync_id": "two"}');
RESET ROLE;
SELECT event_id AS event_of_two FROM sequin.events WHERE sync_id = 'two' LIMIT 1 \gset
SET ROLE regress_sequin_reader;
\set VERBOSITY sqlstate
SELECT sequin.get_event(:'event_of_two');
\set VERBOSITY default
-- It changes nothing.
SELECT sequin.update_sync('one', '{"name": "Mine"}');
SELECT sequin.delete_sync('one');
SELECT sequin.create_credential('example_key', 'ex_test_abcdefgh');
SELECT sequin.create_sync('X', 'example', '{example:note}', 'key');
SELECT sequin.update_credential('key', '{"name": "Mine"}');
SELECT sequin.create_provider('{"provider": "x"}');
SELECT sequin.grant_access('regress_sequin_reader', 'admin');
SELECT sequin.confirm_instance();
SELECT sequin.erase_record('one', 'example:note', 'a');
-- Nor by the back door.
SELECT secrets FROM sequin._credentials;
SELECT * FROM sequin._grants;
SELECT count(*) FROM sequin._records_0;
UPDATE sequin._syncs SET owner = 'regress_sequin_reader';
SELECT sequin._do_get_sync('postgres', '{"id": "two"}');
SELECT sequin._apply(1, 1::smallint, '{}', '{}', '{}', '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}', NULL, 'b', true);
BEGIN; LOCK TABLE sequin._stream IN EXCLUSIVE MODE; ROLLBACK;
SELECT count(*) AS internal_rows FROM sequin._records;
-- Who holds the role's rights sees what it sees.
SET ROLE regress_sequin_member;
SELECT sync_id, upstream_id FROM sequin.records ORDER BY updated_idx;
RESET ROLE;

-- An index on a typed field serves a reader, since the accessor is leakproof.
CREATE INDEX ON sequin._records (sequin.get_text(data, 'email'));
CREATE INDEX ON sequin._records ((data ->> 'email'));
CREATE FUNCTION public.plan_has(query text, pattern text) RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
  line text;
  found boolean := false;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
    found := found OR line ~ pattern;
  END LOOP;
  RETURN found;
END
$$;
-- Enough of them that the choice is not a matter of taste.
INSERT INTO sequin._records (sync, collection, deleted, upstream_id, fingerprint, updated_idx, asked_at, inserted_at, data)
SELECT r.sync, r.collection, false, 'filler_' || i, i, 1000000 + i, r.asked_at, r.inserted_at, jsonb_build_object('email', i || '@y')
FROM (SELECT * FROM sequin._records WHERE updated_idx > 0 ORDER BY sync, collection, upstream_id LIMIT 1) AS r, generate_series(1, 5000) AS i;
ANALYZE sequin._records;
SET enable_seqscan = off;
SET ROLE regress_sequin_reader;
SELECT plan_has($$SELECT upstream_id FROM sequin.records WHERE sequin.get_text(data, 'email') = 'a@x'$$, 'Index Cond: \(sequin.get_text') AS by_index;
SELECT plan_has($$SELECT upstream_id FROM sequin.records WHERE data ->> 'email' = 'a@x'$$, 'Index Cond: \(+data') AS leaky_by_index;
SELECT sync_id, upstream_id FROM sequin.records WHERE sequin.get_text(data, 'email') = 'a@x';
RESET ROLE;
RESET enable_seqscan;
DELETE FROM sequin._records WHERE upstream_id LIKE 'filler%';

-- An operator of all syncs.
SELECT sequin.grant_access('{"role": "regress_sequin_operator", "level": "operator"}');
SET ROLE regress_sequin_operator;
SELECT sequin.update_sync('one', '{"name": "Operated"}') ->> 'name' AS name;
SELECT sequin.create_credential('{"id": "ops", "kind": "example_key", "secret": "ex_test_operators1"}') ->> 'owner' AS owner;
SELECT sequin.create_sync('{"id": "three", "name": "Three", "status": "disabled", "credential_id": "ops", "collection_ids": ["example:note"]}') ->> 'owner' AS owner;
-- Others' credentials it sees, but may not use; where requests go is for administrators to say.
SELECT sequin.create_sync('X', 'example', '{example:note}', 'key');
SELECT sequin.delete_credential('key');
SELECT sequin.create_credential('{"kind": "example_key", "secret": "ex_test_operators2", "base_url": "https://127.0.0.1"}');
SELECT sequin.update_sync('one', '{"base_url": "https://127.0.0.1"}');
SELECT sequin.create_credential('{"kind": "example_key", "secret": {"from_file": "/etc/passwd"}}');
SELECT sequin.create_credential('{"kind": "example_key", "secret": {"from_env": "PATH"}}');
SELECT sequin.create_provider('{"provider": "x"}');
SELECT sequin.revoke_access('regress_sequin_reader', 'reader', 'one');
RESET ROLE;
-- The same account of another owner is another credential.
SELECT sequin.create_credential('{"kind": "example_key", "secret": "ex_test_operators1"}') ->> 'id' <> 'ops' AS is_another;

-- An operator of its own syncs and no other.
SELECT sequin.grant_access('regress_sequin_own', 'operator', own => true);
SET ROLE regress_sequin_own;
SELECT sequin.list_syncs();
SELECT sequin.create_sync('{"id": "mine", "name": "Mine", "status": "disabled", "collection_ids": ["example:note"], "credential": {"kind": "example_key", "secret": "ex_test_ownownown"}}') ->> 'owner' AS owner;
SELECT sequin.pause_sync('mine') ->> 'status' AS status;
SELECT sequin.pause_sync('one');
SELECT id FROM sequin.syncs;
SELECT count(*) AS credentials FROM sequin.credentials;
RESET ROLE;

-- An administrator without being superuser.
SELECT sequin.grant_access('regress_sequin_admin', 'admin');
SET ROLE regress_sequin_admin;
SELECT id FROM sequin.syncs ORDER BY id;
SELECT sequin.update_sync('mine', '{"base_url": "https://127.0.0.1/x/"}') ->> 'base_url' AS base_url;
SELECT sequin.confirm_instance() ->> 'confirmed_by' AS confirmed_by;
SELECT sequin.grant_access('regress_sequin_reader', 'operator', 'two') -> 'access' AS access;
SELECT sequin.create_credential('{"kind": "example_key", "secret": {"from_env": "PATH"}}');
SELECT sequin.delete_sync('mine') ->> 'id' AS deleted;
-- Events of what is deleted are for administrators.
SELECT count(*) AS seen FROM sequin._syncs WHERE id = 'mine';
SET ROLE regress_sequin_operator;
SELECT count(*) AS seen FROM sequin._syncs WHERE id = 'mine';
SET ROLE regress_sequin_reader;
SELECT sequin.update_sync('two', '{"name": "Two again"}') ->> 'name' AS name;
SELECT sequin.update_sync('one', '{"name": "No"}');
RESET ROLE;

-- Taking back: one grant, then all; with the last the rights go, too.
SELECT sequin.revoke_access('regress_sequin_reader', 'operator', 'two') -> 'access' AS access;
SELECT sequin.revoke_access('regress_sequin_reader', 'reader');
SELECT sequin.revoke_access('{"role": "regress_sequin_reader"}') -> 'access' AS access;
SET ROLE regress_sequin_reader;
SELECT * FROM sequin.records;
RESET ROLE;
DROP ROLE regress_sequin_member, regress_sequin_reader;
-- A role of the same name, made anew, has nothing of the old one.
SELECT sequin.revoke_access('{"role": "regress_sequin_own"}') -> 'access' AS access;
INSERT INTO sequin._grants (role, level) VALUES ('regress_sequin_own', 'admin');
SELECT sequin.grant_access('regress_sequin_own', 'reader', 'one') -> 'access' AS access;

SELECT sequin.revoke_access('{"role": "regress_sequin_own"}'), sequin.revoke_access('{"role": "regress_sequin_operator"}'), sequin.revoke_access('{"role": "regress_sequin_admin"}');
DROP ROLE regress_sequin_operator, regress_sequin_own, regress_sequin_admin, regress_sequin_nobody;

\i :directory/sql/end.inc
