-- Reading records and events: shapes, cursors, filters, accessors.
\getenv directory PG_ABS_SRCDIR
\i :directory/sql/begin.inc
\set ECHO none
\set QUIET on
SELECT sequin.create_credential('{"id": "key", "kind": "example_key", "secret": "ex_test_abcdefgh"}') \g /dev/null
SELECT sequin.create_sync('{"id": "one", "name": "One", "status": "disabled", "credential_id": "key", "collection_ids": ["example:thing", "example:note"],
  "external_id": "customer-1", "metadata": {"tier": "gold"}}') \g /dev/null
SELECT sequin.create_sync('{"id": "two", "name": "Two", "status": "disabled", "credential_id": "key", "collection_ids": ["example:note"]}') \g /dev/null
SELECT sequin._ensure_event_partitions(100, 10) \g /dev/null
CREATE FUNCTION put(sync_id text, collection_id text, docs jsonb, asked timestamptz, gone boolean DEFAULT false, origin "char" DEFAULT 'l') RETURNS bigint
LANGUAGE sql
AS $$
  SELECT a.changed
  FROM sequin._syncs AS s JOIN sequin._collections AS c ON c.sync = s.key,
       LATERAL (SELECT array_agg(d ->> 'id') AS keys, array_agg(CASE WHEN NOT gone THEN d END) AS docs, array_agg(asked) AS asked,
                       array_agg(gone) AS gones FROM jsonb_array_elements(docs) AS d) AS p,
       LATERAL sequin._apply(s.key, c.collection, p.keys, p.docs, p.asked, p.gones, NULL, '$.created', 'epoch', NULL, NULL,
                             '$.updated', 'rfc3339', '{}', NULL, origin, true) AS a
  WHERE s.id = sync_id AND c.id = collection_id
$$;
SELECT put('one', 'example:thing', '[{"id": "a", "created": 1700000000, "updated": "2024-01-01T00:00:00.5Z", "email": "a@x", "n": 1.50, "ok": true},
  {"id": "b", "created": 1700000001, "updated": "2024-01-01T00:00:00Z", "email": "b@x"}]', '2024-02-01', origin => 'b') \g /dev/null
SELECT put('two', 'example:note', '[{"id": "n1"}, {"id": "n2"}]', '2024-02-01') \g /dev/null
SELECT put('one', 'example:note', '[{"id": "n1", "text": "hello"}]', '2024-02-01') \g /dev/null
SELECT put('one', 'example:thing', '[{"id": "a", "created": 1700000000, "updated": "2024-01-02T00:00:00Z", "email": "A@x", "n": 1.50, "ok": true}]', '2024-02-02') \g /dev/null
SELECT put('one', 'example:thing', '[{"id": "b"}]', '2024-02-03', gone => true, origin => 's') \g /dev/null
\set QUIET off
\set ECHO all

-- One record as JSON.
SELECT stable(r) FROM sequin.list_records('{"sync_id": "one", "collection_id": "example:thing", "upstream_id": "a"}') AS l, jsonb_array_elements(l -> 'records') AS r;
-- Its id is made of the three names, here and everywhere, for ever.
SELECT id FROM sequin.records WHERE sync_id = 'one' AND upstream_id = 'a';
-- The same columns in the view, and the sync's names for joining.
SELECT sync_id, provider, collection_id, upstream_id, deleted, updated_idx, upstream_created_at, upstream_updated_at, sync_external_id, sync_metadata
FROM sequin.records ORDER BY updated_idx;

-- Records come by their last change, whatever sync they are of; the cursor is where to go on.
SELECT r ->> 'updated_idx' AS idx, r ->> 'sync_id' AS sync, r ->> 'upstream_id' AS id, r -> 'deleted' AS deleted, convert_from(decode(l ->> 'cursor', 'base64'), 'UTF8') AS cursor
FROM sequin.list_records() AS l, jsonb_array_elements(l -> 'records') AS r;
SELECT l ->> 'cursor' AS cursor FROM sequin.list_records('{"limit": 2}') AS l \gset
SELECT r ->> 'updated_idx' AS idx FROM sequin.list_records(jsonb_build_object('limit', 2, 'after_cursor', :'cursor')) AS l, jsonb_array_elements(l -> 'records') AS r;
SELECT r ->> 'updated_idx' AS backwards FROM sequin.list_records('{"order": "desc", "limit": 3}') AS l, jsonb_array_elements(l -> 'records') AS r;
SELECT r ->> 'updated_idx' AS further_back FROM sequin.list_records('{"order": "desc", "after_cursor": 5}') AS l, jsonb_array_elements(l -> 'records') AS r;
-- At the end the cursor stays where it was.
SELECT sequin.list_records('{"after_cursor": "Nw=="}') AS at_the_end;
SELECT r ->> 'sync_id' AS sync, r ->> 'upstream_id' AS notes FROM sequin.list_records('{"collection": "example:note"}') AS l, jsonb_array_elements(l -> 'records') AS r;
SELECT r ->> 'upstream_id' AS of_one FROM sequin.list_records('{"sync_id": "one", "provider": "example"}') AS l, jsonb_array_elements(l -> 'records') AS r;
SELECT sequin.list_records('{"sync_id": "one", "provider": "another"}') AS none, sequin.list_records('{"collection": "example:nothing"}') AS nothing;

-- An event as JSON: the fields of Sequin's stream, and three more.
SELECT stable(e) FROM jsonb_array_elements(sequin.list_events('{"sync_id": "one", "event": "updated"}')) AS e;
-- All of them, by number; deletes carry the last document.
SELECT convert_from(decode(e ->> 'seq', 'base64'), 'UTF8') AS seq, e ->> 'event' AS event, e ->> 'origin' AS origin, e ->> 'sync_id' AS sync, e ->> 'upstream_id' AS id, e -> 'data' ->> 'email' AS email, e -> 'changes' AS changes
FROM jsonb_array_elements(sequin.list_events()) AS e;
SELECT seq, event, origin, sync_id, upstream_id FROM sequin.events WHERE seq > 4 ORDER BY seq;

-- The last seq of a page is the cursor of the next; a number will do as well.
SELECT e ->> 'seq' AS seq FROM jsonb_array_elements(sequin.list_events('{"after_cursor": "NA==", "limit": 2}')) AS e;
SELECT e ->> 'seq' AS seq FROM jsonb_array_elements(sequin.list_events('{"after_cursor": 6}')) AS e;
SELECT e ->> 'seq' AS newest FROM jsonb_array_elements(sequin.list_events('{"order": "desc", "limit": 1}')) AS e;
SELECT sequin.list_events('{"after_cursor": 7}') AS nothing_yet, sequin.list_events('{"after_cursor": 0, "limit": 1}') -> 0 ->> 'seq' AS from_the_start;
SELECT count(*) AS sweep FROM jsonb_array_elements(sequin.list_events('{"origin": "sweep"}')) AS e;
SELECT count(*) AS of_b FROM jsonb_array_elements(sequin.list_events('{"upstream_id": "b", "sync_id": "one", "collection_id": "example:thing"}')) AS e;
SELECT count(*) AS notes FROM jsonb_array_elements(sequin.list_events('{"collection": "example:note", "provider": "example"}')) AS e;

-- One event by its id, which tells its number.
SELECT e ->> 'event_id' AS event_id FROM jsonb_array_elements(sequin.list_events('{"after_cursor": 5, "limit": 1}')) AS e \gset
SELECT e ->> 'seq' AS seq, e ->> 'upstream_id' AS id FROM sequin.get_event(:'event_id') AS e;
SELECT :'event_id'::uuid = event_id AS same_in_the_view FROM sequin.events WHERE seq = 6;
SELECT :'event_id' ~ '^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' AS is_uuid_of_version_8;
SELECT sequin.get_event('00000000-0000-8000-8000-000000000001');

-- Old events go. A cursor from before is refused, with the oldest good one; none at all begins with what is left.
DELETE FROM sequin._events WHERE seq <= 3;
SELECT sequin.list_events('{"after_cursor": 2}');
\echo :SQLSTATE
SELECT sequin.list_events('{"after_cursor": 3, "limit": 1}') -> 0 ->> 'seq' AS oldest;
SELECT sequin.list_events('{"limit": 1}') -> 0 ->> 'seq' AS oldest;
SELECT e ->> 'seq' AS backwards FROM jsonb_array_elements(sequin.list_events('{"after_cursor": 5, "order": "desc"}')) AS e;
-- Numbers left out on purpose are not missing.
INSERT INTO sequin._gaps (first_seq, last_seq, reason) VALUES (3, 3, 'test');
SELECT sequin.list_events('{"after_cursor": 2, "limit": 1}') -> 0 ->> 'seq' AS oldest;
SELECT sequin.list_events('{"after_cursor": 1}');

-- Typed reading of a field: NULL where it does not fit, never an error.
SELECT k, sequin.get_text(d, k), sequin.get_numeric(d, k), sequin.get_timestamptz(d, k), sequin.get_boolean(d, k)
FROM (VALUES ('{"text": "abc", "number": 12.50, "numeric_text": "-7e2", "epoch": 1700000000, "epoch_ms": 1700000000123, "time": "2024-01-01T02:00:00+02:00",
  "date": "2024-02-29", "true": true, "false_text": "false", "null": null, "object": {"a": [1]}, "no_date": "2024-02-30"}'::jsonb)) AS v(d),
  unnest('{text,number,numeric_text,epoch,epoch_ms,time,date,true,false_text,"null",object,no_date,missing}'::text[]) AS k;
SELECT sequin.get_text('[1]', 'a'), sequin.get_numeric('"x"', 'a'), sequin.get_boolean('null', 'a');
SELECT proname, provolatile, proleakproof, proparallel, proisstrict FROM pg_proc WHERE pronamespace = 'sequin'::regnamespace AND proname LIKE 'get\_%' AND proleakproof ORDER BY 1;

-- What a deleted sync leaves: no records, and its events in the view for those who see everything.
SELECT sequin.delete_sync('two') ->> 'id' AS deleted;
SELECT DISTINCT sync_id FROM sequin.records;
SELECT DISTINCT sync_id FROM sequin.events ORDER BY 1;
SELECT DISTINCT e ->> 'sync_id' AS sync FROM jsonb_array_elements(sequin.list_events()) AS e;

\i :directory/sql/end.inc
