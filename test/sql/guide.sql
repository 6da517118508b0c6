-- The bodies of the guide's Management API, unchanged.
\getenv directory PG_ABS_SRCDIR
\i :directory/sql/begin.inc

-- Add a credential.
SELECT stable(sequin.create_credential('{
    "kind": "stripe_oauth2",
    "access_token": "sk_live_7eC39HqLyjWDarjtT1zdp7dc",
    "oauth_app_id": "8ff58ef0-d376-4ae8-b2e2-9f0206aa65b8",
    "metadata": { "custom_property": 42 }
  }'));

-- Create a sync.
SELECT stable(without(sequin.create_sync('{
    "provider": "stripe",
    "name": "Choam Corp - Stripe Production",
    "collection_ids": ["stripe:customer", "stripe:invoice"],
    "rate_limit": {
      "allowed_requests": 100,
      "interval": 60,
      "max_concurrent_requests": 0
    },
    "credential": {
      "provider": "stripe",
      "kind": "stripe_oauth2",
      "access_token": "sk_live_7eC39HqLyjWDarjtT1zdp7dc",
      "oauth_app_id": "8ff58ef0-d376-4ae8-b2e2-9f0206aa65b8",
      "metadata": { "custom_credential_property": 42 }
    },
    "metadata": { "custom_property": 42 }
  }'), 'notes'));
-- It is the same account, so it is the same credential.
SELECT count(*) AS credentials, min(c.metadata::text) AS metadata FROM sequin.credentials AS c;

-- List syncs.
SELECT d ->> 'name' AS name, d -> 'credential' -> 'properties' AS properties
FROM sequin.list_syncs() AS l, jsonb_array_elements(l -> 'data') AS d;

-- Later pages of the documentation nest what signs in, and spell it otherwise.
SELECT c ->> 'kind' AS kind, c -> 'properties' AS properties
FROM sequin.create_credential('{"name": "Nested", "properties": {"kind": "stripe_key", "secret_key": "sk_test_4eC39HqLyjWDarjtT1zdp7dc", "test": true}}') AS c;

-- Events, as in the guide: none yet.
SELECT sequin.list_events(jsonb_build_object('sync_id', (SELECT id FROM sequin.syncs)));

\i :directory/sql/end.inc
