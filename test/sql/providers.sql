-- Providers: adding, replacing, checking, and what they offer.
\getenv directory PG_ABS_SRCDIR
\i :directory/sql/begin.inc

SELECT jsonb_pretty(sequin.check_provider(:'example')) AS checked;
SELECT sequin.check_provider('example') AS stored \gset
SELECT sequin.check_provider(:'example') = :'stored' AS same_as_the_stored;
SELECT stable(d) AS example FROM sequin.list_providers() AS l, jsonb_array_elements(l -> 'data') AS d WHERE d ->> 'id' = 'example';

-- The same manifest again changes nothing; a changed one needs another version.
SELECT sequin.create_provider(:'example') ->> 'version' AS version;
SELECT sequin.create_provider(:'example'::jsonb || '{"title": "Changed"}');
SELECT p ->> 'version' AS version, p ->> 'name' AS name FROM sequin.create_provider(:'example'::jsonb || '{"title": "Changed", "version": "2"}') AS p;

-- Known fields may come beside the manifest.
SELECT sequin.create_provider(jsonb_build_object('manifest', :'example'::jsonb,
  'fields', '{"thing": {"id": "text", "stageName": {"type": "text", "name": "Stage", "alias": "stage"}, "amount": {"type": "number"}}}'::jsonb)) ->> 'version' AS version;
SELECT jsonb_pretty(d) AS thing
FROM sequin.list_collections('example') AS l, jsonb_array_elements(l -> 'data') AS d WHERE d ->> 'id' = 'example:thing';
SELECT id, name, parent_id, incremental, deletes FROM sequin.collections WHERE provider = 'example' ORDER BY id;

-- Collections of a provider, or of what a credential belongs to, in pages.
SELECT sequin.create_credential('{"id": "key", "kind": "example_key", "secret": "ex_test_abcdefgh"}') ->> 'id' AS credential;
SELECT sequin.list_collections('key') = sequin.list_collections('{"provider": "example"}') AS same,
       sequin.list_collections('{"credential_id": "key"}') = sequin.list_collections('{"provider": "example"}') AS same_again;
SELECT d ->> 'id' AS id, l ->> 'cursor' IS NOT NULL AS has_more
FROM sequin.list_collections('{"provider": "example", "limit": 2}') AS l, jsonb_array_elements(l -> 'data') AS d;
SELECT l ->> 'cursor' AS cursor FROM sequin.list_collections('{"provider": "example", "limit": 2}') AS l \gset
SELECT d ->> 'id' AS id, l -> 'cursor' AS cursor
FROM sequin.list_collections(jsonb_build_object('provider', 'example', 'limit', 2, 'after_cursor', :'cursor')) AS l, jsonb_array_elements(l -> 'data') AS d;
SELECT stable(sequin.refresh_collections('key')) AS refreshed;

-- What syncs and credentials use cannot be taken away.
SELECT sequin.create_sync('S', 'example', '{example:note}', 'key', id => 's', status => 'disabled') ->> 'id' AS sync;
SELECT sequin.create_provider(:'example'::jsonb #- '{collections,note}' || '{"version": "3"}');
SELECT sequin.create_provider(:'example'::jsonb #- '{auth,example_key}' || '{"version": "3"}');
SELECT sequin.delete_provider('example');
SELECT sequin.delete_sync('s'), sequin.delete_credential('key');
SELECT sequin.delete_provider('example');
SELECT sequin.delete_provider('example');
SELECT count(*) FROM sequin.providers WHERE id = 'example';

-- A provider that needs no credential needs none.
SELECT sequin.create_provider((:'example'::jsonb || '{"provider": "open", "auth": {"open": {"method": "none"}}}')) -> 'kinds' AS kinds;
SELECT s -> 'credential' -> 'properties' AS properties
FROM sequin.create_sync('{"id": "o", "name": "Open", "provider": "open", "collection_ids": ["open:note"], "status": "disabled"}') AS s;

\i :directory/sql/end.inc
