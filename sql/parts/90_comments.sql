-- What `\df+`, `\d+` and other tools show of public objects.

COMMENT ON FUNCTION sequin.create_credential(jsonb) IS 'Imports a credential; the same account twice is one credential';
COMMENT ON FUNCTION sequin.create_credential(text, text, text, jsonb, text, jsonb, text, text, text) IS 'Imports a credential; the same account twice is one credential';
COMMENT ON FUNCTION sequin.update_credential(jsonb) IS 'Changes a credential; may replace its secret';
COMMENT ON FUNCTION sequin.update_credential(text, jsonb) IS 'Changes a credential; may replace its secret';
COMMENT ON FUNCTION sequin.delete_credential(jsonb) IS 'Deletes a credential that no sync uses';
COMMENT ON FUNCTION sequin.delete_credential(text) IS 'Deletes a credential that no sync uses';
COMMENT ON FUNCTION sequin.get_credential(jsonb) IS 'A credential, its secrets masked';
COMMENT ON FUNCTION sequin.get_credential(text) IS 'A credential, its secrets masked';
COMMENT ON FUNCTION sequin.list_credentials(jsonb) IS 'Credentials by provider, kind, name, metadata or health, secrets masked';
COMMENT ON FUNCTION sequin.test_credential(jsonb) IS 'Proves a credential by a call to the API';
COMMENT ON FUNCTION sequin.test_credential(text) IS 'Proves a credential by a call to the API';
COMMENT ON FUNCTION sequin.rotate_key(jsonb) IS 'Seals every secret anew with a new key';

COMMENT ON FUNCTION sequin.create_sync(jsonb) IS 'Starts a sync: what the API has is read, then followed';
COMMENT ON FUNCTION sequin.create_sync(text, text, text[], text, jsonb, text, numeric, jsonb, jsonb, text, text[], jsonb, text, text, text) IS 'Starts a sync: what the API has is read, then followed';
COMMENT ON FUNCTION sequin.update_sync(jsonb) IS 'Changes the given fields of a sync; null takes a value away';
COMMENT ON FUNCTION sequin.update_sync(text, jsonb) IS 'Changes the given fields of a sync; null takes a value away';
COMMENT ON FUNCTION sequin.delete_sync(jsonb) IS 'Deletes a sync and its records';
COMMENT ON FUNCTION sequin.delete_sync(text) IS 'Deletes a sync and its records';
COMMENT ON FUNCTION sequin.get_sync(jsonb) IS 'A sync, with its health and its masked credential';
COMMENT ON FUNCTION sequin.get_sync(text) IS 'A sync, with its health and its masked credential';
COMMENT ON FUNCTION sequin.list_syncs(jsonb) IS 'Syncs by provider, name, status, external_id, credential_id, metadata or health';
COMMENT ON FUNCTION sequin.pause_sync(jsonb) IS 'Stops a sync; its records stay';
COMMENT ON FUNCTION sequin.pause_sync(text) IS 'Stops a sync; its records stay';
COMMENT ON FUNCTION sequin.resume_sync(jsonb) IS 'Lets a paused sync go on';
COMMENT ON FUNCTION sequin.resume_sync(text) IS 'Lets a paused sync go on';
COMMENT ON FUNCTION sequin.refresh_sync(jsonb) IS 'Asks for a pass over everything now';
COMMENT ON FUNCTION sequin.refresh_sync(text) IS 'Asks for a pass over everything now';
COMMENT ON FUNCTION sequin.resync_record(jsonb) IS 'Asks for one record to be read again now';
COMMENT ON FUNCTION sequin.resync_record(text, text, text) IS 'Asks for one record to be read again now';
COMMENT ON FUNCTION sequin.erase_record(jsonb) IS 'Removes a record and what events say of it';
COMMENT ON FUNCTION sequin.erase_record(text, text, text) IS 'Removes a record and what events say of it';

COMMENT ON FUNCTION sequin.create_provider(jsonb) IS 'Adds a provider by its manifest, or replaces its version';
COMMENT ON FUNCTION sequin.create_provider(text) IS 'Adds a provider by its manifest, or replaces its version';
COMMENT ON FUNCTION sequin.delete_provider(jsonb) IS 'Deletes a provider that no credential uses';
COMMENT ON FUNCTION sequin.delete_provider(text) IS 'Deletes a provider that no credential uses';
COMMENT ON FUNCTION sequin.list_providers(jsonb) IS 'Providers';
COMMENT ON FUNCTION sequin.check_provider(jsonb) IS 'Checks a manifest without storing it';
COMMENT ON FUNCTION sequin.check_provider(text) IS 'Checks the manifest of a provider, or one given as text';
COMMENT ON FUNCTION sequin.list_collections(jsonb) IS 'Collections and fields of all providers, of one, or of a credential''s';
COMMENT ON FUNCTION sequin.list_collections(text) IS 'Collections and fields of a provider, or of a credential''s';
COMMENT ON FUNCTION sequin.refresh_collections(jsonb) IS 'Brings the catalogue of a credential up to date';
COMMENT ON FUNCTION sequin.refresh_collections(text) IS 'Brings the catalogue of a credential up to date';

COMMENT ON FUNCTION sequin.list_records(jsonb) IS 'A page of records, in the order of their last change';
COMMENT ON FUNCTION sequin.list_events(jsonb) IS 'A page of the event stream; the last seq is the next cursor';
COMMENT ON FUNCTION sequin.get_event(jsonb) IS 'An event by its id';
COMMENT ON FUNCTION sequin.get_event(text) IS 'An event by its id';
COMMENT ON FUNCTION sequin.get_text(jsonb, text) IS 'A top-level field as text, null where it is missing';
COMMENT ON FUNCTION sequin.get_numeric(jsonb, text) IS 'A top-level field as number, null where it is none';
COMMENT ON FUNCTION sequin.get_timestamptz(jsonb, text) IS 'A top-level field as time, null where it is none';
COMMENT ON FUNCTION sequin.get_boolean(jsonb, text) IS 'A top-level field as boolean, null where it is none';

COMMENT ON FUNCTION sequin.health(jsonb) IS 'Whether all is well, and every problem there is';
COMMENT ON FUNCTION sequin.metrics() IS 'Figures for a monitoring system';
COMMENT ON FUNCTION sequin.confirm_instance(jsonb) IS 'Says that this database, as it is now, may send requests';
COMMENT ON FUNCTION sequin.grant_access(jsonb) IS 'Makes a role reader, operator or admin, of all syncs, of one, or of its own';
COMMENT ON FUNCTION sequin.grant_access(text, text, text, boolean) IS 'Makes a role reader, operator or admin, of all syncs, of one, or of its own';
COMMENT ON FUNCTION sequin.revoke_access(jsonb) IS 'Takes a grant back, or all of a role''s';
COMMENT ON FUNCTION sequin.revoke_access(text, text, text, boolean) IS 'Takes a grant back, or all of a role''s';

COMMENT ON VIEW sequin.records IS 'The latest copy of every record; deleted ones stay for a time, marked';
COMMENT ON VIEW sequin.events IS 'The stream of changes, in order and without gaps';
COMMENT ON VIEW sequin.syncs IS 'Syncs';
COMMENT ON VIEW sequin.credentials IS 'Credentials, without their secrets';
COMMENT ON VIEW sequin.providers IS 'Providers and their manifests';
COMMENT ON VIEW sequin.collections IS 'What providers offer to sync';
COMMENT ON VIEW sequin.sync_progress IS 'How far each collection of each sync is';
COMMENT ON VIEW sequin.sync_errors IS 'Records set aside because they could not be stored';
COMMENT ON VIEW sequin.requests IS 'The last calls of each sync';
