-- Each function is found by a literal without a type and by a bind parameter without a type.
\getenv directory PG_ABS_SRCDIR
\i :directory/sql/begin.inc
\pset tuples_only on
SET track_functions = 'all';

-- credentials
SELECT sequin.create_credential('{"id": "a", "kind": "example_key", "secret": "ex_test_literal1"}') ->> 'id';
PREPARE c1 AS SELECT sequin.create_credential($1) ->> 'id';
EXECUTE c1('{"id": "b", "kind": "example_key", "secret": "ex_test_bindbind"}');
SELECT sequin.create_credential('example_key', 'ex_test_named111', id => 'c') ->> 'id';
PREPARE c2 AS SELECT sequin.create_credential($1, $2, name => $3) ->> 'name';
EXECUTE c2('example_key', 'ex_test_named222', 'd');
SELECT sequin.update_credential('{"id": "a", "name": "A"}') ->> 'name';
PREPARE c3 AS SELECT sequin.update_credential($1) ->> 'name';
EXECUTE c3('{"id": "a", "name": "AA"}');
SELECT sequin.update_credential('a', '{"name": "AAA"}') ->> 'name';
PREPARE c4 AS SELECT sequin.update_credential($1, $2) ->> 'name';
EXECUTE c4('a', '{"name": "AAAA"}');
SELECT sequin.get_credential('a') ->> 'id', sequin.get_credential('{"id": "a"}') ->> 'id';
PREPARE c5 AS SELECT sequin.get_credential($1) ->> 'id';
EXECUTE c5('a');
EXECUTE c5('{"id": "a"}');
SELECT jsonb_array_length(sequin.list_credentials() -> 'data'), jsonb_array_length(sequin.list_credentials('{"limit": 2}') -> 'data');
PREPARE c6 AS SELECT jsonb_array_length(sequin.list_credentials($1) -> 'data');
EXECUTE c6('{"limit": 3}');
SELECT sequin.delete_credential('c') ->> 'id', sequin.delete_credential('{"id": "b"}') ->> 'id';
PREPARE c7 AS SELECT sequin.delete_credential($1);
EXECUTE c7('nobody');

-- syncs
SELECT sequin.create_sync('{"id": "s", "name": "S", "credential_id": "a", "collection_ids": ["example:thing"], "status": "disabled"}') ->> 'id';
PREPARE s1 AS SELECT sequin.create_sync($1) ->> 'id';
EXECUTE s1('{"id": "t", "name": "T", "credential_id": "a", "collection_ids": ["*"], "status": "disabled"}');
SELECT sequin.create_sync('U', 'example', credential_id => 'a', id => 'u') ->> 'id';
PREPARE s2 AS SELECT sequin.create_sync($1, $2, $3, $4, id => $5) ->> 'id';
EXECUTE s2('V', 'example', '{example:note}', 'a', 'v');
SELECT sequin.update_sync('{"id": "s", "name": "SS"}') ->> 'name';
PREPARE s3 AS SELECT sequin.update_sync($1) ->> 'name';
EXECUTE s3('{"id": "s", "name": "SSS"}');
SELECT sequin.update_sync('s', '{"name": "SSSS"}') ->> 'name';
PREPARE s4 AS SELECT sequin.update_sync($1, $2) ->> 'name';
EXECUTE s4('s', '{"name": "SSSSS"}');
SELECT sequin.get_sync('s') ->> 'id', sequin.get_sync('{"id": "s"}') ->> 'id';
PREPARE s5 AS SELECT sequin.get_sync($1) ->> 'id';
EXECUTE s5('s');
EXECUTE s5('{"id": "s"}');
SELECT jsonb_array_length(sequin.list_syncs() -> 'data'), jsonb_array_length(sequin.list_syncs('{"limit": 2}') -> 'data');
PREPARE s6 AS SELECT jsonb_array_length(sequin.list_syncs($1) -> 'data');
EXECUTE s6('{"status": "active"}');
SELECT sequin.resume_sync('s') ->> 'status', sequin.resume_sync('{"id": "s"}') ->> 'status';
PREPARE s7 AS SELECT sequin.resume_sync($1) ->> 'status';
EXECUTE s7('s');
SELECT sequin.refresh_sync('s') ->> 'id', sequin.refresh_sync('{"id": "s"}') ->> 'id';
PREPARE s8 AS SELECT sequin.refresh_sync($1) ->> 'id';
EXECUTE s8('s');
SELECT sequin.pause_sync('s') ->> 'status', sequin.pause_sync('{"id": "s"}') ->> 'status';
PREPARE s9 AS SELECT sequin.pause_sync($1) ->> 'status';
EXECUTE s9('s');
SELECT sequin.resync_record('s', 'example:thing', 'x') ->> 'wish', sequin.resync_record('{"sync_id": "s", "collection_id": "example:thing", "upstream_id": "x"}') ->> 'wish';
PREPARE s10 AS SELECT sequin.resync_record($1, $2, $3) ->> 'wish';
EXECUTE s10('s', 'example:thing', 'x');
SELECT sequin.erase_record('s', 'example:thing', 'x') ->> 'wish', sequin.erase_record('{"sync_id": "s", "collection_id": "example:thing", "upstream_id": "x"}') ->> 'wish';
PREPARE s11 AS SELECT sequin.erase_record($1) ->> 'wish';
EXECUTE s11('{"sync_id": "s", "collection": "example:thing", "upstream_id": "x"}');
-- the sync is paused, so waiting for it is refused at once
SELECT sequin.wait_for_sync('s');
SELECT sequin.wait_for_sync('s', '1s');
PREPARE s12 AS SELECT sequin.wait_for_sync($1);
EXECUTE s12('s');
PREPARE s13 AS SELECT sequin.wait_for_sync($1, $2);
EXECUTE s13('s', '1s');
SELECT sequin.delete_sync('s') ->> 'id', sequin.delete_sync('{"id": "t"}') ->> 'id';
PREPARE s14 AS SELECT sequin.delete_sync($1) ->> 'id';
EXECUTE s14('u');

-- providers
SELECT sequin.check_provider('example') ->> 'status';
PREPARE p1 AS SELECT sequin.check_provider($1) ->> 'status';
EXECUTE p1('example');
EXECUTE p1(:'example');
SELECT sequin.create_provider(:'example') ->> 'id';
PREPARE p2 AS SELECT sequin.create_provider($1) ->> 'id';
EXECUTE p2(:'example');
SELECT jsonb_array_length(sequin.list_providers() -> 'data') > 0, jsonb_array_length(sequin.list_providers('{"limit": 1}') -> 'data');
PREPARE p3 AS SELECT jsonb_array_length(sequin.list_providers($1) -> 'data');
EXECUTE p3('{"limit": 1}');
SELECT jsonb_array_length(sequin.list_collections() -> 'data') >= 3, jsonb_array_length(sequin.list_collections('a') -> 'data'), jsonb_array_length(sequin.list_collections('{"provider": "example"}') -> 'data');
PREPARE p4 AS SELECT jsonb_array_length(sequin.list_collections($1) -> 'data');
EXECUTE p4('example');
SELECT sequin.refresh_collections('a') ->> 'status', sequin.refresh_collections('{"credential_id": "a"}') ->> 'status';
PREPARE p5 AS SELECT sequin.refresh_collections($1) ->> 'status';
EXECUTE p5('a');
SELECT sequin.delete_provider('nobody');
PREPARE p6 AS SELECT sequin.delete_provider($1);
EXECUTE p6('nobody');

-- reading
SELECT sequin.list_records() -> 'records', sequin.list_records('{"limit": 1}') -> 'records';
PREPARE r1 AS SELECT sequin.list_records($1) -> 'records';
EXECUTE r1('{"sync_id": "v"}');
SELECT sequin.list_events(), sequin.list_events('{"limit": 1}');
PREPARE r2 AS SELECT sequin.list_events($1);
EXECUTE r2('{"sync_id": "v"}');
SELECT sequin.get_event('00000000-0000-8000-8000-000000000001');
PREPARE r3 AS SELECT sequin.get_event($1);
EXECUTE r3('{"event_id": "00000000-0000-8000-8000-000000000001"}');
SELECT sequin.get_text('{"a": 1}', 'a'), sequin.get_numeric('{"a": 1}', 'a'), sequin.get_timestamptz('{"a": "2024-01-01"}', 'a'), sequin.get_boolean('{"a": true}', 'a');
PREPARE r4 AS SELECT sequin.get_text($1, $2), sequin.get_numeric($1, $2), sequin.get_timestamptz($1, $2), sequin.get_boolean($1, $2);
EXECUTE r4('{"a": true}', 'a');

-- operation
CREATE ROLE regress_sequin_forms;
SELECT sequin.health() ->> 'status', sequin.health('{}') ->> 'status';
PREPARE o1 AS SELECT sequin.health($1) ->> 'status';
EXECUTE o1('{}');
SELECT count(*) > 0 FROM sequin.metrics();
SELECT sequin.confirm_instance() ->> 'confirmed_by', sequin.confirm_instance('{}') ->> 'confirmed_by';
PREPARE o2 AS SELECT sequin.confirm_instance($1) ->> 'confirmed_by';
EXECUTE o2('{}');
SELECT sequin.grant_access('regress_sequin_forms', 'reader') ->> 'role', sequin.grant_access('{"role": "regress_sequin_forms", "level": "operator"}') ->> 'role';
PREPARE o3 AS SELECT sequin.grant_access($1, $2, $3) -> 'access';
EXECUTE o3('regress_sequin_forms', 'operator', 'v');
SELECT sequin.revoke_access('regress_sequin_forms', 'reader') -> 'access';
PREPARE o4 AS SELECT sequin.revoke_access($1) -> 'access';
EXECUTE o4('{"role": "regress_sequin_forms"}');
DROP ROLE regress_sequin_forms;

-- None was forgotten but two, which need a worker. (Named forms vanish into what they call.)
SELECT pg_stat_force_next_flush();
SELECT DISTINCT p.proname FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
WHERE p.pronamespace = 'sequin'::regnamespace AND p.proname NOT LIKE '\_%' AND l.lanname <> 'sql' AND p.prokind = 'f'
  AND NOT EXISTS (SELECT FROM pg_stat_user_functions AS f JOIN pg_proc AS q ON q.oid = f.funcid WHERE q.proname = p.proname AND f.schemaname = 'sequin')
ORDER BY 1;

-- Named forms are plain expressions of the planner: what stands at the top is the entry itself, which
-- can hide a secret.
EXPLAIN (VERBOSE, COSTS OFF) SELECT sequin.update_sync('s', '{}');
SELECT count(*) AS not_inlined FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
WHERE p.pronamespace = 'sequin'::regnamespace AND p.proname NOT LIKE '\_%' AND l.lanname = 'sql' AND NOT p.proretset
  AND (p.proconfig IS NOT NULL OR p.proisstrict OR p.prosecdef OR p.provolatile <> 'v');

-- Every public object says what it is.
SELECT p.oid::regprocedure FROM pg_proc AS p
WHERE p.pronamespace = 'sequin'::regnamespace AND p.proname NOT LIKE '\_%' AND obj_description(p.oid, 'pg_proc') IS NULL;
SELECT c.oid::regclass FROM pg_class AS c
WHERE c.relnamespace = 'sequin'::regnamespace AND c.relkind = 'v' AND c.relname NOT LIKE '\_%' AND obj_description(c.oid, 'pg_class') IS NULL;
-- Every function of ours has a fixed path, is written in C, or has a body that was parsed when it was made.
SELECT p.oid::regprocedure FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
WHERE p.pronamespace = 'sequin'::regnamespace AND p.proname LIKE '\_%' AND l.lanname IN ('sql', 'plpgsql')
  AND p.prosqlbody IS NULL AND (p.proconfig IS NULL OR NOT 'search_path=pg_catalog, pg_temp' = ANY (p.proconfig))
ORDER BY 1;

\i :directory/sql/end.inc
