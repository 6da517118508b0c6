-- Credentials: importing, showing without the secret, replacing, deleting.
\getenv directory PG_ABS_SRCDIR
\i :directory/sql/begin.inc

-- The kind says which provider it is. The secret may be spelled as the API's own pages do, and never
-- comes back. An OAuth app that is not known here is a note, not an error.
SELECT stable(sequin.create_credential('{
  "id": "acme",
  "kind": "example_key",
  "access_token": "ex_test_0123456789",
  "oauth_app_id": "8ff58ef0-d376-4ae8-b2e2-9f0206aa65b8",
  "metadata": {"custom_property": 42}
}'));

-- Importing the same account again finds the same credential, and what is new is noted.
SELECT c ->> 'id' AS id, c ->> 'name' AS name, c -> 'properties' AS properties, c -> 'metadata' AS metadata
FROM sequin.create_credential('{"name": "Acme", "properties": {"kind": "example_key", "secret_key": "ex_test_0123456789", "test": true}}') AS c;
SELECT count(*) FROM sequin._credentials;

-- Nothing changed, nothing written.
SELECT xmin AS before FROM sequin._credentials \gset
SELECT sequin.create_credential('{"provider": "example", "kind": "example_key", "token": "ex_test_0123456789"}') ->> 'id' AS id;
SELECT xmin = :'before' AS untouched FROM sequin._credentials;

-- The named form for people; other secrets are other accounts, and an id is made where none is given.
SELECT c ->> 'id' ~ '^[0-9a-f-]{36}$' AS has_uuid, c ->> 'name' AS name, c -> 'metadata' AS metadata
FROM sequin.create_credential('example_key', 'ex_live_abcdefgh', name => 'Live', metadata => '{"tier": "gold", "gone": null}') AS c;
-- What tells accounts apart is all that signs in: the same password of two logins is two accounts.
SELECT sequin.create_credential('{"id": "ann", "kind": "example_password", "user": "ann", "password": "hunter2 hunter2"}') -> 'properties' AS ann;
SELECT sequin.create_credential('{"id": "bob", "kind": "example_password", "login": "bob", "password": "hunter2 hunter2"}') -> 'properties' AS bob;

-- At rest a secret is sealed: not found in the row, and sealed differently each time.
SELECT count(*) AS rows, bool_or(strpos(encode(secrets, 'escape'), 'hunter2') > 0) AS readable, count(DISTINCT secrets) AS seals
FROM sequin._credentials;

-- From a file or from the environment of the server, for superusers.
COPY (SELECT 'ex_test_fromafile1') TO '/tmp/sequin_regress_secret';
SELECT sequin.create_credential('{"id": "filed", "kind": "example_key", "secret": {"from_file": "/tmp/sequin_regress_secret"}}') -> 'properties' AS filed;
COPY (SELECT 1) TO PROGRAM 'rm /tmp/sequin_regress_secret';
SELECT sequin.create_credential('{"kind": "example_password", "user": "env", "password": {"from_env": "PATH"}}') -> 'properties' AS from_env;

-- Lists: in order of creation, filtered, in pages.
SELECT d ->> 'kind' AS kind, d ->> 'name' AS name, d -> 'properties' -> 'login' AS login
FROM sequin.list_credentials() AS l, jsonb_array_elements(l -> 'data') AS d;
SELECT d ->> 'id' AS id FROM sequin.list_credentials('{"metadata": {"custom_property": 42}}') AS l, jsonb_array_elements(l -> 'data') AS d;
SELECT jsonb_array_length(sequin.list_credentials('{"kind": "example_password", "provider": "example"}') -> 'data') AS passwords;
SELECT d ->> 'id' AS warns FROM sequin.list_credentials('{"health.status": "warn"}') AS l, jsonb_array_elements(l -> 'data') AS d;
SELECT l ->> 'cursor' AS cursor, jsonb_array_length(l -> 'data') AS n FROM sequin.list_credentials('{"limit": 4}') AS l \gset
SELECT :n AS first_page, jsonb_array_length(l -> 'data') AS second_page, l -> 'cursor' AS cursor
FROM sequin.list_credentials(jsonb_build_object('limit', 4, 'after_cursor', :'cursor')) AS l;

-- Changing what is clear leaves the revision alone; a new secret starts a new one.
SELECT revision FROM sequin._credentials WHERE id = 'acme' \gset
SELECT c ->> 'name' AS name, c -> 'metadata' AS metadata, c -> 'oauth_app_id' AS oauth_app_id, c -> 'health' ->> 'status' AS health
FROM sequin.update_credential('acme', '{"name": "Acme Inc", "metadata": null, "oauth_app_id": null}') AS c;
SELECT revision - :revision AS more FROM sequin._credentials WHERE id = 'acme';
SELECT sequin.update_credential('acme', '{"secret": "ex_test_9876543210"}') -> 'properties' AS properties;
SELECT revision - :revision AS more FROM sequin._credentials WHERE id = 'acme';
-- Signing in as somebody else takes the secret, too; other properties do not.
SELECT sequin.update_credential('ann', '{"login": "anna"}');
SELECT sequin.update_credential('ann', '{"login": "anna", "password": "hunter2 hunter2"}') -> 'properties' ->> 'login' AS login;
SELECT sequin.update_credential('acme', '{"scope": ["read"]}') -> 'properties' AS properties;
SELECT sequin.update_credential('ann', '{"login": "bob", "password": "hunter2 hunter2"}');
-- The old secret is another account now.
SELECT sequin.create_credential('example_key', 'ex_test_0123456789') ->> 'id' <> 'acme' AS is_another;
-- What workers learned of the old secret is void, of the new one it counts.
INSERT INTO sequin._credential_facts (credential, revision, account, status, notes)
SELECT key, revision - 1, 'acct_1', 'error', '{"The API refuses this key."}' FROM sequin._credentials WHERE id = 'acme';
SELECT c -> 'account' AS account, c -> 'health' ->> 'status' AS health FROM sequin.get_credential('acme') AS c;
UPDATE sequin._credential_facts SET revision = revision + 1;
SELECT c -> 'account' AS account, c -> 'health' -> 'notes' AS notes, c -> 'health' ->> 'code' AS code FROM sequin.get_credential('acme') AS c;
-- Importing a failing credential again asks to try again.
SELECT sequin.create_credential('example_key', 'ex_test_9876543210') -> 'health' ->> 'status' AS health;

-- The view shows the same, and no secret either.
SELECT id, name, kind, properties, secret_names, health ->> 'status' AS health FROM sequin.credentials WHERE id IN ('acme', 'ann') ORDER BY id;

-- One that a sync uses stays.
SELECT sequin.create_sync('A sync', 'example', '{example:note}', 'acme', id => 'user-of-acme', status => 'disabled') ->> 'credential_id' AS used;
SELECT sequin.delete_credential('acme');
SELECT sequin.delete_sync('user-of-acme');
SELECT sequin.delete_credential('acme');
SELECT sequin.get_credential('acme');

\i :directory/sql/end.inc
