-- Operation: health, metrics, the instance guard.
\getenv directory PG_ABS_SRCDIR
\i :directory/sql/begin.inc

-- Nothing here yet: all is well.
SELECT without(sequin.health(), 'time') AS health;
SELECT count(*) AS instances FROM sequin._instance;

SELECT sequin.create_credential('{"id": "key", "kind": "example_key", "secret": "ex_test_abcdefgh"}') ->> 'id' AS credential;
SELECT count(sequin.create_sync('Sync ' || i, 'example', '{example:note,example:thing}', 'key', id => 's' || i, status => 'disabled')) AS syncs FROM generate_series(1, 3) AS i;
SELECT without(sequin.health(), 'time') AS health;

-- Problems, whoever they belong to: the worst decides. Sync 0 is the server's side.
INSERT INTO sequin._health (sync, part, status, code, note, hint, since) VALUES
  ((SELECT key FROM sequin._syncs WHERE id = 's2'), 'example:thing', 'warn', 'slow', 'The rate limit is too small.', 'Raise it.', '2024-01-01'),
  ((SELECT key FROM sequin._syncs WHERE id = 's3'), 'credential', 'error', 'auth_dead', 'The API refuses the key.', NULL, '2024-01-02'),
  (0, 'disk', 'warn', 'disk_full', 'The disk is nearly full.', 'Make room.', '2024-01-03');
SELECT jsonb_pretty(without(sequin.health(), 'time')) AS health;

-- This database is confirmed. A copy of it elsewhere is not, until somebody says so.
SELECT confirmed_by = current_user AS by_me FROM sequin._instance;
SELECT random_bits FROM sequin._instance \gset
UPDATE sequin._instance SET database = 1;
SELECT p ->> 'status' AS status, p ->> 'code' AS code, p ->> 'hint' AS hint FROM sequin.health() AS h, jsonb_array_elements(h -> 'problems') AS p WHERE p ->> 'part' = 'instance';
SELECT c ->> 'confirmed_by' = current_user AS by_me, (c ->> 'system_identifier')::bigint = s.system_identifier AND (c ->> 'database')::oid = s.database AND (c ->> 'timeline')::int = s.timeline AS is_this_one
FROM sequin.confirm_instance() AS c, sequin._system() AS s;
SELECT p ->> 'code' AS code FROM sequin.health() AS h, jsonb_array_elements(h -> 'problems') AS p WHERE p ->> 'part' = 'instance';
SELECT random_bits = :random_bits AS event_ids_go_on FROM sequin._instance;
-- A promotion is another timeline.
UPDATE sequin._instance SET timeline = timeline + 1;
SELECT p ->> 'status' AS status, p ->> 'code' AS code FROM sequin.health() AS h, jsonb_array_elements(h -> 'problems') AS p WHERE p ->> 'part' = 'instance';
-- Without the row nothing was ever confirmed; the next credential or sync writes it again.
DELETE FROM sequin._instance;
SELECT p ->> 'status' AS status, p ->> 'code' AS code FROM sequin.health() AS h, jsonb_array_elements(h -> 'problems') AS p WHERE p ->> 'part' = 'instance';
SELECT sequin.create_credential('{"id": "key2", "kind": "example_key", "secret": "ex_test_abcdefghi"}') ->> 'id' AS credential;
SELECT count(*) AS instances FROM sequin._instance;

-- Figures. Facts come from where workers write them.
INSERT INTO sequin._progress (sync, collection, phase, requests, records, changes, expected, last_error)
SELECT key, 2, 'backfill', 7, 600, 500, 1000, 'timed out' FROM sequin._syncs WHERE id = 's1';
INSERT INTO sequin._sync_errors (sync, collection, upstream_id, sqlstate, reason, excerpt, digest)
SELECT key, 2, 'th_1', '22P05', 'unsupported Unicode escape sequence', '{"id": "th_1", "x": "\u0000"}', 'x' FROM sequin._syncs WHERE id = 's1';
INSERT INTO sequin._requests (sync, collection, sent_at, method, path, status, duration_ms, request_id)
SELECT key, 2, '2024-01-01', 'GET', '/eu/things', 200, 12, 'req_1' FROM sequin._syncs WHERE id = 's1';
SELECT name, labels, value FROM sequin.metrics() WHERE value > 0;
SELECT count(*) FILTER (WHERE name !~ '^sequin_[a-z_]+$' OR help !~ '\S') AS odd FROM sequin.metrics();
SELECT sync_id, collection_id, phase, requests, records, expected, changes, rate, eta, lag, next_run_at, last_error FROM sequin.sync_progress WHERE sync_id = 's1' ORDER BY 2;
SELECT sync_id, collection_id, upstream_id, sqlstate, reason, excerpt, attempts FROM sequin.sync_errors;
SELECT * FROM sequin.requests;

\i :directory/sql/end.inc
