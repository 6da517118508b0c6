-- Applying documents: what becomes a record, what becomes an event, and what becomes nothing.
\getenv directory PG_ABS_SRCDIR
\i :directory/sql/begin.inc
\set ECHO none
\set QUIET on
SELECT sequin.create_sync('{"id": "s", "name": "S", "status": "disabled", "provider": "example", "collection_ids": ["example:thing", "example:thing_part", "example:note"],
  "credential": {"kind": "example_key", "secret": "ex_test_abcdefgh"}}') \g /dev/null
SELECT key AS sync FROM sequin._syncs WHERE id = 's' \gset
SELECT sequin._ensure_event_partitions(10000, 10000) \g /dev/null
-- things have a version, notes have none
CREATE FUNCTION page(collection smallint, page jsonb, asked text, parent text DEFAULT NULL, oldest timestamptz DEFAULT NULL,
                     OUT rows bigint, OUT changed bigint, OUT seqs text, OUT refused jsonb)
LANGUAGE sql
AS $$
  SELECT a.rows, a.changed, CASE WHEN a.changed > 0 THEN a.first_seq || '-' || a.last_seq END, nullif(a.refused, '[]')
  FROM sequin._apply_page((SELECT key FROM sequin._syncs WHERE id = 's'), collection, page,
    (CASE collection
      WHEN 1 THEN '{"records": "$.data[*]", "key": ["$.id"], "created": {"path": "$.created", "as": "epoch"},
                    "version": {"path": "$.updated", "as": "rfc3339"}, "ignore": ["views", "seen.count"], "drop": ["debug"],
                    "gone": "$.deleted == true"}'
      WHEN 2 THEN '{"records": "$.data[*]", "key": [null, "$.id"]}'
      ELSE '{"records": "$[*]", "key": ["$.id"]}' END)::jsonb,
    asked::timestamptz, parent, oldest, 'l', true, false) AS a
$$;
CREATE VIEW last_events AS
  SELECT seq, event, collection_id, upstream_id, data, changes FROM sequin.events ORDER BY seq;
\set QUIET off
\set ECHO all

-- Three new things: three events, numbered from 1, in the order of the page.
SELECT * FROM page(1::smallint, '{"data": [
  {"id": "th_1", "created": 1700000000, "updated": "2024-01-01T00:00:00Z", "name": "One", "views": 1, "debug": "x"},
  {"id": "th_2", "created": 1700000001, "updated": "2024-01-01T00:00:00Z", "name": "Two"},
  {"id": 3, "created": 1700000002, "updated": "2024-01-01T00:00:00Z", "name": "Three"}]}', '2024-02-01 00:00');
SELECT * FROM last_events;
SELECT upstream_id, deleted, updated_idx, data, upstream_created_at FROM sequin.records ORDER BY updated_idx;

-- The same page again: nothing. What is ignored may change without being an event.
SELECT * FROM page(1::smallint, '{"data": [
  {"id": "th_1", "created": 1700000000, "updated": "2024-01-01T00:00:00Z", "name": "One", "views": 2, "debug": "y"},
  {"id": "th_2", "created": 1700000001, "updated": "2024-01-01T00:00:00Z", "name": "Two"}]}', '2024-02-01 00:01');

-- A change says what was there before, null for what was not; a newer version wins.
SELECT * FROM page(1::smallint, '{"data": [
  {"id": "th_1", "created": 1700000000, "updated": "2024-01-02T00:00:00Z", "name": "Uno", "colour": "red"}]}', '2024-02-01 00:02');
SELECT seq, event, upstream_id, changes FROM last_events WHERE seq > 3;

-- An older version does not, even if it was asked for later.
SELECT * FROM page(1::smallint, '{"data": [{"id": "th_1", "updated": "2024-01-01T12:00:00Z", "name": "Old"}]}', '2024-02-01 00:03');

-- Of equal versions the copy asked for later wins.
SELECT * FROM page(1::smallint, '{"data": [{"id": "th_2", "updated": "2024-01-01T00:00:00Z", "name": "Too early"}]}', '2024-01-31 00:00');
SELECT * FROM page(1::smallint, '{"data": [{"id": "th_2", "updated": "2024-01-01T00:00:00Z", "name": "Deux"}]}', '2024-02-01 00:04');
SELECT seq, event, upstream_id, data ->> 'name' AS name FROM last_events WHERE seq > 4;

-- Several versions of one key in a page fold to the newest: one event.
SELECT * FROM page(1::smallint, '{"data": [
  {"id": "th_4", "updated": "2024-01-01T00:00:00Z", "n": 1},
  {"id": "th_4", "updated": "2024-01-03T00:00:00Z", "n": 3},
  {"id": "th_4", "updated": "2024-01-02T00:00:00Z", "n": 2}]}', '2024-02-01 00:05');
SELECT seq, event, upstream_id, data ->> 'n' AS n FROM last_events WHERE seq > 5;

-- A delete keeps the last known document, in the event and in the tombstone.
SELECT * FROM page(1::smallint, '{"data": [{"id": "th_1", "updated": "2024-01-04T00:00:00Z", "deleted": true}]}', '2024-02-01 00:06');
SELECT seq, event, upstream_id, data, changes FROM last_events WHERE seq > 6;
SELECT upstream_id, deleted, updated_idx, data ->> 'name' AS name FROM sequin.records WHERE upstream_id = 'th_1';
-- Once only; and an older copy cannot revive it.
SELECT * FROM page(1::smallint, '{"data": [{"id": "th_1", "updated": "2024-01-04T00:00:00Z", "deleted": true}]}', '2024-02-01 00:07');
SELECT * FROM page(1::smallint, '{"data": [{"id": "th_1", "updated": "2024-01-03T00:00:00Z", "name": "Ghost"}]}', '2024-02-01 00:08');
-- A newer one does, and that is created.
SELECT * FROM page(1::smallint, '{"data": [{"id": "th_1", "updated": "2024-01-05T00:00:00Z", "name": "Back"}]}', '2024-02-01 00:09');
SELECT seq, event, upstream_id, changes FROM last_events WHERE seq > 7;

-- A tombstone of what was never seen is no event and shows nowhere, but holds back older copies.
SELECT * FROM page(1::smallint, '{"data": [{"id": "th_9", "updated": "2024-01-05T00:00:00Z", "deleted": true}]}', '2024-02-01 00:10');
SELECT count(*) AS shown FROM sequin.records WHERE upstream_id = 'th_9';
SELECT * FROM page(1::smallint, '{"data": [{"id": "th_9", "updated": "2024-01-04T00:00:00Z", "name": "Nine"}]}', '2024-02-01 00:11');
SELECT * FROM page(1::smallint, '{"data": [{"id": "th_9", "updated": "2024-01-06T00:00:00Z", "name": "Nine"}]}', '2024-02-01 00:12');
SELECT seq, event, upstream_id FROM last_events WHERE seq > 8;

-- Without versions the later question wins, whatever order the answers come in.
SELECT * FROM page(3::smallint, '[{"id": "a", "n": 2}]', '2024-02-01 00:02');
SELECT * FROM page(3::smallint, '[{"id": "a", "n": 1}]', '2024-02-01 00:01');
SELECT * FROM page(3::smallint, '[{"id": "a", "n": 3}]', '2024-02-01 00:03');
SELECT seq, event, data, changes FROM last_events WHERE seq > 9;
-- Unchanged, but asked for later: an answer to an older question is then too old.
SELECT * FROM page(3::smallint, '[{"id": "a", "n": 3}]', '2024-02-01 00:09');
SELECT * FROM page(3::smallint, '[{"id": "a", "n": 4}]', '2024-02-01 00:08');

-- Keys of several parts, and of a parent, are joined; what would be ambiguous is escaped.
SELECT * FROM page(2::smallint, '{"data": [{"id": "1"}, {"id": "x:y\\z"}]}', '2024-02-01 00:00', parent => 'th_1');
SELECT seq, upstream_id FROM last_events WHERE seq > 11;

-- What has no usable key, or is no object, is refused and comes back; the rest of the page counts.
SELECT * FROM page(1::smallint, '{"data": [{"name": "keyless"}, {"id": null}, {"id": ""}, {"id": {"a": 1}}, 7, {"id": "th_5", "updated": "2024-01-01T00:00:00Z"}]}', '2024-02-01 00:00');
SELECT * FROM page(1::smallint, '{}', '2024-02-01 00:00');

-- Records older than wanted are left alone, but never a delete.
SELECT * FROM page(1::smallint, '{"data": [
  {"id": "th_old", "created": 1600000000, "updated": "2020-01-01T00:00:00Z"},
  {"id": "th_5", "created": 1600000000, "deleted": true},
  {"id": "th_new", "created": 1700000000, "updated": "2024-01-01T00:00:00Z"}]}', '2024-02-01 00:20', oldest => '2023-01-01');
SELECT seq, event, upstream_id FROM last_events WHERE seq > 14;

-- Numbers beyond 2^53, long decimals and odd names survive as they are.
SELECT * FROM page(3::smallint, '[{"id": 9007199254740993, "price": 0.1000000000000000000001, "": "empty", "\u00e9": "\u2028"}]', '2024-02-01 00:00');
SELECT upstream_id, data FROM last_events ORDER BY seq DESC LIMIT 1;

-- Gapless: as many events as numbers, each record pointing at its last event.
SELECT count(*) AS events, min(seq), max(seq), count(*) = max(seq) - min(seq) + 1 AS gapless FROM sequin.events;
SELECT count(*) AS strays FROM sequin.records AS r
WHERE r.updated_idx <> (SELECT max(e.seq) FROM sequin.events AS e
                        WHERE (e.sync_id, e.collection_id, e.upstream_id) = (r.sync_id, r.collection_id, r.upstream_id));
-- A page that is rolled back takes its numbers with it.
BEGIN;
SELECT changed, seqs FROM page(3::smallint, '[{"id": "rolled back"}]', '2024-02-01 00:00');
ROLLBACK;
SELECT changed, seqs FROM page(3::smallint, '[{"id": "committed"}]', '2024-02-01 00:00');
-- A gap recorded on purpose is left out.
INSERT INTO sequin._gaps (first_seq, last_seq, reason) SELECT max(seq) + 1, max(seq) + 100, 'promotion' FROM sequin.events;
SELECT changed, seqs FROM page(3::smallint, '[{"id": "after the gap"}]', '2024-02-01 00:00');
SELECT count(*) = max(seq) - min(seq) + 1 - (SELECT sum(g.last_seq - g.first_seq + 1) FROM sequin._gaps AS g) AS gapless_but_for_gaps FROM sequin.events;

-- Unchanged records cost nothing: not even a row version.
SELECT xmin AS before FROM sequin._records WHERE upstream_id = 'th_2' \gset
SELECT changed FROM sequin._apply(:sync, 1::smallint, '{th_2}', ARRAY[(SELECT data FROM sequin.records WHERE upstream_id = 'th_2')], '{2024-03-01}', '{f}', NULL,
  '$.created', 'epoch', NULL, NULL, '$.updated', 'rfc3339', '{views}', NULL, 'l', false);
SELECT xmin = :'before' AS untouched FROM sequin._records WHERE upstream_id = 'th_2';

\i :directory/sql/end.inc
