-- Syncs: creating, changing, pausing, deleting. What is written is wishes; no worker runs here.
\getenv directory PG_ABS_SRCDIR
\i :directory/sql/begin.inc

-- Everything in one call, the credential too. The answer warns of deletes that nobody will notice.
SELECT stable(sequin.create_sync('{
  "id": "choam",
  "provider": "example",
  "name": "Choam Corp",
  "collection_ids": ["example:thing", "example:note"],
  "rate_limit": {"allowed_requests": 100, "interval": 60, "max_concurrent_requests": 0},
  "credential": {
    "provider": "example",
    "kind": "example_key",
    "access_token": "ex_live_7eC39HqLyjWDarjtT1zdp7dc",
    "oauth_app_id": "8ff58ef0-d376-4ae8-b2e2-9f0206aa65b8",
    "metadata": {"custom_credential_property": 42}
  },
  "stream_id": "ignored", "org_id": "ignored",
  "metadata": {"custom_property": 42}
}'));

-- It is the first thing made here, so this database is the one that may send requests.
SELECT count(*) AS instances, bool_and(i.system_identifier = s.system_identifier AND i.database = s.database) AS is_this_one
FROM sequin._instance AS i, sequin._system() AS s;

-- All collections, by the named form and an existing credential.
SELECT sequin.create_credential('{"id": "key", "kind": "example_key", "secret": "ex_test_abcdefgh"}') ->> 'id' AS credential;
SELECT s -> 'collection_ids' AS collection_ids, s ->> 'sync_frequency' AS frequency, s -> 'rate_limit' AS rate_limit, s -> 'max_age_days' AS max_age
FROM sequin.create_sync('Everything', 'example', credential_id => 'key', id => 'all', external_id => 'customer-7') AS s;
-- The provider follows from the credential.
SELECT sequin.create_sync('{"id": "quiet", "name": "Quiet", "credential_id": "key", "collection_ids": ["example:note", "example:note"],
  "sync_frequency": "4h", "max_age_days": 30.5, "settings": {"region": "us"}, "exclude_fields": ["body"], "status": "disabled"}')
  - 'credential' - 'created_at' - 'updated_at' AS quiet;

SELECT stable(sequin.get_sync('quiet') -> 'health') AS health;
SELECT sequin.get_sync('{"id": "quiet"}') = sequin.get_sync('quiet') AS same;

-- Lists.
SELECT d ->> 'id' AS id FROM sequin.list_syncs() AS l, jsonb_array_elements(l -> 'data') AS d;
SELECT d ->> 'id' AS by_metadata FROM sequin.list_syncs('{"metadata": {"custom_property": 42}}') AS l, jsonb_array_elements(l -> 'data') AS d;
SELECT d ->> 'id' AS by_several FROM sequin.list_syncs('{"provider": "example", "status": "active", "external_id": "customer-7", "credential_id": "key", "name": "Everything", "stream_id": "x"}') AS l, jsonb_array_elements(l -> 'data') AS d;
SELECT d ->> 'id' AS warns FROM sequin.list_syncs('{"health.status": "warn"}') AS l, jsonb_array_elements(l -> 'data') AS d;
SELECT l ->> 'cursor' AS cursor FROM sequin.list_syncs('{"limit": 2}') AS l \gset
SELECT d ->> 'id' AS second_page, l -> 'cursor' AS cursor
FROM sequin.list_syncs(jsonb_build_object('limit', 2, 'after_cursor', :'cursor')) AS l, jsonb_array_elements(l -> 'data') AS d;

-- A change touches what is named; null takes a value away.
SELECT s ->> 'name' AS name, s -> 'rate_limit' AS rate_limit, s -> 'max_age_days' AS max_age, s ->> 'sync_frequency' AS frequency,
       s -> 'settings' AS settings, s -> 'exclude_fields' AS exclude_fields, s ->> 'status' AS status
FROM sequin.update_sync('quiet', '{"max_age_days": null, "sync_frequency": null, "rate_limit": {"allowed_requests": 5, "interval": 1}, "provider": "example"}') AS s;
SELECT s ->> 'name' AS name, s -> 'rate_limit' AS rate_limit, s -> 'settings' AS settings, s -> 'exclude_fields' AS exclude_fields, s ->> 'status' AS status
FROM sequin.update_sync('{"id": "quiet", "name": "Calm", "rate_limit": null, "settings": {}, "exclude_fields": null, "status": "active"}') AS s;

-- Collections keep their number when they go and come back; purge also asks for their rows to go.
SELECT sequin.update_sync('choam', '{"collection_ids": ["example:thing", "example:thing_part"]}') -> 'collection_ids' AS collection_ids;
SELECT sequin.update_sync('choam', '{"collection_ids": ["example:thing"], "purge": true}') -> 'collection_ids' AS collection_ids;
SELECT c.collection, c.id, c.active, c.purge FROM sequin._collections AS c JOIN sequin._syncs AS s ON s.key = c.sync WHERE s.id = 'choam' ORDER BY 1;
SELECT sequin.update_sync('choam', '{"collection_ids": ["example:note", "example:thing"]}') -> 'collection_ids' AS collection_ids;
SELECT c.collection, c.id, c.active, c.purge FROM sequin._collections AS c JOIN sequin._syncs AS s ON s.key = c.sync WHERE s.id = 'choam' ORDER BY 1;

-- Pause, resume, ask for a pass.
SELECT sequin.pause_sync('choam') ->> 'status' AS status;
SELECT sequin.refresh_sync('choam');
SELECT sequin.resume_sync('choam') ->> 'status' AS status;
SELECT sequin.refresh_sync('choam') ->> 'id' AS refreshed;
SELECT refresh_requests FROM sequin._syncs WHERE id = 'choam';

-- One record: read again, or erased.
SELECT sequin.resync_record('choam', 'example:thing', 'th_1');
SELECT sequin.resync_record('choam', 'example:note', 'no_1');
SELECT sequin.erase_record('{"sync_id": "choam", "collection": "example:note", "upstream_id": "no_1"}');
SELECT collection, upstream_id, wish FROM sequin._record_wishes ORDER BY id;

-- Health of a sync is what workers wrote down of it and of its credential, the worst first.
INSERT INTO sequin._health (sync, part, status, code, note, hint, since)
SELECT key, 'example:thing', 'warn', 'slow', 'The rate limit is too small.', 'Raise it.', '2024-01-01'::timestamptz FROM sequin._syncs WHERE id = 'all'
UNION ALL
SELECT key, 'credential', 'error', 'auth_dead', 'The API refuses the key.', NULL, '2024-01-02' FROM sequin._syncs WHERE id = 'all';
SELECT jsonb_pretty(sequin.get_sync('all') -> 'health') AS health;
SELECT d ->> 'id' AS errors FROM sequin.list_syncs('{"health.status": "error"}') AS l, jsonb_array_elements(l -> 'data') AS d;

-- A deleted sync is gone at once; its id stays taken while events of it are kept.
SELECT sequin.delete_sync('choam');
SELECT sequin.get_sync('choam');
SELECT id FROM sequin.syncs ORDER BY id;
SELECT sequin.create_sync('Again', 'example', '{example:note}', 'key', id => 'choam');

-- The view.
SELECT id, name, status, health ->> 'status' AS health, collection_ids, credential_id, owner = current_user AS is_mine FROM sequin.syncs ORDER BY id;
SELECT sync_id, collection_id, phase, requests, records, changes, eta, lag FROM sequin.sync_progress ORDER BY 1, 2;

\i :directory/sql/end.inc
