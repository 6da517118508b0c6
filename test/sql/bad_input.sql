-- Wrong calls and wrong manifests: each is refused with an SQLSTATE, a message that names the place and,
-- where there is one, a hint; and nothing is left behind.
\getenv directory PG_ABS_SRCDIR
\i :directory/sql/begin.inc
\set ECHO none
\set QUIET on
SELECT sequin.create_credential('{"id": "key", "kind": "example_key", "secret": "ex_test_abcdefgh"}') \g /dev/null
SELECT sequin.create_sync('{"id": "s", "name": "S", "status": "disabled", "credential_id": "key", "collection_ids": ["example:thing"]}') \g /dev/null
SELECT sequin.create_provider(:'example'::jsonb || '{"provider": "twin"}') \g /dev/null
CREATE VIEW left_behind AS
  SELECT md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM (
    SELECT s::text FROM sequin._syncs AS s UNION ALL SELECT c::text FROM sequin._credentials AS c
    UNION ALL SELECT c::text FROM sequin._collections AS c UNION ALL SELECT p::text FROM sequin._providers AS p
    UNION ALL SELECT g::text FROM sequin._grants AS g UNION ALL SELECT w::text FROM sequin._record_wishes AS w
    UNION ALL SELECT i::text FROM sequin._instance AS i) AS t;
SELECT * FROM left_behind \gset before_
\set QUIET off
\set ECHO all

SELECT 'credentials' AS subject;
SELECT sequin.create_credential(NULL::jsonb);
\echo :SQLSTATE
SELECT sequin.create_credential('[]');
\echo :SQLSTATE
SELECT sequin.create_credential('"text"');
\echo :SQLSTATE
SELECT sequin.create_credential('{}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"kind": "example_kee", "secret": "ex_test_abcdefgh"}');
\echo :SQLSTATE
SELECT sequin.create_credential('ex_test_abcdefgh', 'example_key', provider => 'example');
\echo :SQLSTATE
SELECT sequin.create_credential('{"kind": 7}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "exampel", "kind": "example_key"}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "secret": "ex_test_abcdefgh"}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_pasword", "secret": "x"}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key"}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key", "secret": "sk_live_wrong_form"}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key", "secret": ""}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key", "secret": 42}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key", "secret": ["ex_test_abcdefgh"]}');
\echo :SQLSTATE
SELECT sequin.create_credential(jsonb_build_object('provider', 'example', 'kind', 'example_key', 'secret', E'ex_test_abcdefgh\n'));
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key", "secret": "ex_test_abcdefgh", "token": "ex_test_other1234"}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key", "secret": "ex_test_abcdefgh", "properties": {"secret": "ex_test_other1234"}}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key", "secret": {"from_fiel": "/x"}}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key", "secret": {}}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key", "secret": {"from_file": "relative"}}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key", "secret": {"from_file": "/nowhere/at/all"}}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key", "secret": {"from_env": "SEQUIN_NOT_SET"}}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key", "acess_token": "ex_test_abcdefgh"}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key", "secret": "ex_test_abcdefgh", "metadata": "x"}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key", "secret": "ex_test_abcdefgh", "properties": []}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key", "secret": "ex_test_abcdefghi", "id": "with spaces"}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key", "secret": "ex_test_abcdefghi", "id": "key"}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key", "secret": "ex_test_abcdefgh", "id": "other"}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key", "secret": "ex_test_abcdefghi", "base_url": "ftp://example.com"}');
\echo :SQLSTATE
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key", "secret": "ex_test_abcdefghi", "base_url": "https://user:pass@example.com"}');
\echo :SQLSTATE
SELECT sequin.update_credential('nobody', '{"name": "x"}');
\echo :SQLSTATE
SELECT sequin.update_credential('key', '{"provider": "twin"}');
\echo :SQLSTATE
SELECT sequin.update_credential('key', '{"kind": "example_password"}');
\echo :SQLSTATE
SELECT sequin.update_credential('key', '{"secret": "no key at all"}');
\echo :SQLSTATE
SELECT sequin.update_credential('{"name": "x"}');
\echo :SQLSTATE
SELECT sequin.delete_credential('key');
\echo :SQLSTATE
SELECT sequin.delete_credential('{"id": "key", "force": true}');
\echo :SQLSTATE
SELECT sequin.get_credential('nobody');
\echo :SQLSTATE
SELECT sequin.list_credentials('{"health.status": "bad"}');
\echo :SQLSTATE

SELECT 'syncs' AS subject;
SELECT sequin.create_sync('{}');
\echo :SQLSTATE
SELECT sequin.create_sync('not json');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "credential_id": "key"}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "provider": "example", "collection_ids": ["*"]}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "provider": "exmple", "collection_ids": ["*"]}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "provider": "example", "collection_ids": ["*"], "credential_id": "nobody"}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "provider": "example", "collection_ids": ["*"], "credential_id": "key", "credential": {"kind": "example_key"}}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "provider": "twin", "collection_ids": ["*"], "credential_id": "key"}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "provider": "example", "collection_ids": ["*"], "credential": {"kind": "example_key", "secret": "ex_test_abcdefgh", "nam": "x"}}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "provider": "example", "collection_ids": ["*"], "credential": {"kind": "example_key", "secret": "wrong form of it"}}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "provider": "example", "colection_ids": ["*"], "credential_id": "key"}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": 7, "collection_ids": ["*"], "credential_id": "key"}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "  ", "collection_ids": ["*"], "credential_id": "key"}');
\echo :SQLSTATE
SELECT sequin.create_sync(jsonb_build_object('name', repeat('x', 201), 'collection_ids', '{*}'::text[], 'credential_id', 'key'));
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": "example:thing", "credential_id": "key"}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": [], "credential_id": "key"}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["example:thing", 7], "credential_id": "key"}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*", "example:thing"], "credential_id": "key"}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["example:thin"], "credential_id": "key"}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["example:thing_part"], "credential_id": "key"}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "rate_limit": 7}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "rate_limit": {"allowed_request": 7}}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "rate_limit": {"allowed_requests": -1, "interval": 1}}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "rate_limit": {"allowed_requests": 1.5, "interval": 1}}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "rate_limit": {"allowed_requests": 1, "interval": 0}}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "rate_limit": {"allowed_requests": 1}}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "max_age_days": 0}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "max_age_days": "30"}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "sync_frequency": "often"}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "sync_frequency": "500ms"}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "sync_frequency": "-4h"}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "status": "paused"}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "metadata": []}');
\echo :SQLSTATE
SELECT sequin.create_sync(jsonb_build_object('name', 'X', 'collection_ids', '{*}'::text[], 'credential_id', 'key', 'metadata', jsonb_build_object('x', repeat('y', 70000))));
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "exclude_fields": ["id"]}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "exclude_fields": ["parts"]}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["example:thing"], "credential_id": "key", "exclude_fields": ["updated"]}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "exclude_fields": ["a.b"]}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "settings": {"regoin": "eu"}}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "settings": {"region": "europe"}}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "settings": {"region": ["eu"]}}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "base_url": "not a url"}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "id": "s"}');
\echo :SQLSTATE
SELECT sequin.create_sync('{"name": "X", "collection_ids": ["*"], "credential_id": "key", "id": "s/1"}');
\echo :SQLSTATE
SELECT sequin.update_sync('s', '{"credential_id": "key"}');
\echo :SQLSTATE
SELECT sequin.update_sync('s', '{"provider": "twin"}');
\echo :SQLSTATE
SELECT sequin.update_sync('s', '{"name": null}');
\echo :SQLSTATE
SELECT sequin.update_sync('s', '{"collection_ids": []}');
\echo :SQLSTATE
SELECT sequin.update_sync('s', '{"purge": "yes"}');
\echo :SQLSTATE
SELECT sequin.update_sync('s', '{"stats": "disabled"}');
\echo :SQLSTATE
SELECT sequin.update_sync('nobody', '{"name": "x"}');
\echo :SQLSTATE
SELECT sequin.delete_sync('');
\echo :SQLSTATE
SELECT sequin.pause_sync('{"id": "s", "for": "1h"}');
\echo :SQLSTATE
SELECT sequin.resume_sync('{"id": 7}');
\echo :SQLSTATE
SELECT sequin.refresh_sync('s');
\echo :SQLSTATE
SELECT sequin.get_sync('nobody');
\echo :SQLSTATE
SELECT sequin.get_sync('{"id": "s"');
\echo :SQLSTATE
SELECT sequin.list_syncs('{"limit": 0}');
\echo :SQLSTATE
SELECT sequin.list_syncs('{"limit": 1001}');
\echo :SQLSTATE
SELECT sequin.list_syncs('{"after_cursor": "!"}');
\echo :SQLSTATE
SELECT sequin.list_syncs('{"metadata": 7}');
\echo :SQLSTATE
SELECT sequin.resync_record('s', 'example:note', 'x');
\echo :SQLSTATE
SELECT sequin.erase_record('{"sync_id": "s", "collection_id": "example:thing"}');
\echo :SQLSTATE

SELECT 'reading and operation' AS subject;
SELECT sequin.list_records('{"order": "up"}');
\echo :SQLSTATE
SELECT sequin.list_records('{"event": "created"}');
\echo :SQLSTATE
SELECT sequin.list_events('{"event": "inserted"}');
\echo :SQLSTATE
SELECT sequin.list_events('{"after_cursor": "NjA1x"}');
\echo :SQLSTATE
SELECT sequin.list_events('{"after_cursor": -1}');
\echo :SQLSTATE
SELECT sequin.list_events('{"collection": "a:b", "collection_id": "a:c"}');
\echo :SQLSTATE
SELECT sequin.get_event('605');
\echo :SQLSTATE
SELECT sequin.grant_access('regress_sequin_missing', 'reader');
\echo :SQLSTATE
SELECT sequin.grant_access('postgres', 'owner');
\echo :SQLSTATE
SELECT sequin.grant_access('postgres', 'admin', 's');
\echo :SQLSTATE
SELECT sequin.grant_access('{"role": "postgres"}');
\echo :SQLSTATE
SELECT sequin.health('{"verbose": true}');
\echo :SQLSTATE
SELECT sequin.delete_provider('nobody');
\echo :SQLSTATE
SELECT sequin.list_collections('nobody');
\echo :SQLSTATE

SELECT 'manifests' AS subject;
SELECT sequin.create_provider('{');
\echo :SQLSTATE
SELECT sequin.create_provider('[]'::jsonb);
\echo :SQLSTATE
SELECT sequin.create_provider('{}');
\echo :SQLSTATE
SELECT sequin.create_provider(jsonb_set(:'example', '{manifest}', '2'));
\echo :SQLSTATE
SELECT sequin.create_provider(jsonb_set(:'example', '{provider}', '"Bad Name"'));
\echo :SQLSTATE
SELECT sequin.create_provider(jsonb_set(:'example', '{colections}', '{}'));
\echo :SQLSTATE
SELECT sequin.create_provider(jsonb_set(:'example', '{hosts}', '[]'));
\echo :SQLSTATE
SELECT sequin.create_provider(jsonb_set(:'example', '{http,base_url}', '"https://evil.example.org"'));
\echo :SQLSTATE
SELECT sequin.create_provider(jsonb_set(:'example', '{auth,example_key,method}', '"magic"'));
\echo :SQLSTATE
SELECT sequin.create_provider(jsonb_set(:'example', '{auth,example_key,secrets,token,pattern}', '"("'));
\echo :SQLSTATE
SELECT sequin.create_provider(jsonb_set(:'example', '{collections,thing,paging}', '{"kind": "guess"}'));
\echo :SQLSTATE
SELECT sequin.create_provider(jsonb_set(:'example', '{collections,thing,key}', '["$.id["]'));
\echo :SQLSTATE
SELECT sequin.create_provider(jsonb_set(:'example', '{collections,thing,deletes}', '[{"kind": "field", "when": "$.deleted"}]'));
\echo :SQLSTATE
SELECT sequin.create_provider(jsonb_set(:'example', '{collections,thing,records}', '"$..data"'));
\echo :SQLSTATE
SELECT sequin.create_provider(:'example'::jsonb #- '{collections,thing,deletes}');
\echo :SQLSTATE
SELECT sequin.create_provider(:'example'::jsonb #- '{collections,thing,version}');
\echo :SQLSTATE
SELECT sequin.create_provider(jsonb_set(:'example', '{collections,thing_part,parent,collection}', '"thin"'));
\echo :SQLSTATE
SELECT sequin.create_provider(jsonb_set(:'example', '{collections,thing,path}', '"/things/${settings.regoin}"'));
\echo :SQLSTATE
SELECT sequin.create_provider(jsonb_set(:'example', '{collections,thing,use}', '"lsted"'));
\echo :SQLSTATE
SELECT sequin.create_provider(jsonb_set(:'example', '{collections,thing,incremental,overlap}', '"10 parsecs"'));
\echo :SQLSTATE
SELECT sequin.create_provider(jsonb_build_object('manifest', :'example'::jsonb, 'feilds', '{}'));
\echo :SQLSTATE
SELECT sequin.create_provider(:'example'::jsonb || '{"title": "Changed"}');
\echo :SQLSTATE

SELECT 'nothing left behind' AS subject;
SELECT * FROM left_behind \gset after_
SELECT :'before_md5' = :'after_md5' AS as_before;

\i :directory/sql/end.inc
