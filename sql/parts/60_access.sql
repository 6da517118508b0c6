-- What people read: views with public names, row level security below them, and nothing for PUBLIC.

-- A reader's rows. The inner ARRAY() is computed once per table named in a statement, however many
-- partitions it has, and the keys are hashed.
ALTER TABLE sequin._syncs ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON sequin._syncs FOR SELECT USING (key IN (SELECT unnest(ARRAY(SELECT sequin._visible_syncs(current_user)))));

ALTER TABLE sequin._collections ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON sequin._collections FOR SELECT USING (sync IN (SELECT unnest(ARRAY(SELECT sequin._visible_syncs(current_user)))));

ALTER TABLE sequin._records ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON sequin._records FOR SELECT USING (sync IN (SELECT unnest(ARRAY(SELECT sequin._visible_syncs(current_user)))));

ALTER TABLE sequin._events ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON sequin._events FOR SELECT USING (sync IN (SELECT unnest(ARRAY(SELECT sequin._visible_syncs(current_user)))));

ALTER TABLE sequin._progress ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON sequin._progress FOR SELECT USING (sync IN (SELECT unnest(ARRAY(SELECT sequin._visible_syncs(current_user)))));

ALTER TABLE sequin._sync_facts ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON sequin._sync_facts FOR SELECT USING (sync IN (SELECT unnest(ARRAY(SELECT sequin._visible_syncs(current_user)))));

ALTER TABLE sequin._health ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON sequin._health FOR SELECT USING (sync IN (SELECT unnest(ARRAY(SELECT sequin._visible_syncs(current_user)))));

ALTER TABLE sequin._sync_errors ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON sequin._sync_errors FOR SELECT USING (sync IN (SELECT unnest(ARRAY(SELECT sequin._visible_syncs(current_user)))));

ALTER TABLE sequin._requests ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON sequin._requests FOR SELECT USING (sync IN (SELECT unnest(ARRAY(SELECT sequin._visible_syncs(current_user)))));

ALTER TABLE sequin._credentials ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON sequin._credentials FOR SELECT
  USING (key IN (SELECT unnest(ARRAY(SELECT sequin._visible_credentials(current_user)))));

ALTER TABLE sequin._credential_facts ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON sequin._credential_facts FOR SELECT
  USING (credential IN (SELECT unnest(ARRAY(SELECT sequin._visible_credentials(current_user)))));

-- Record and event views join two small tables by their keys, so that a filter on a public id becomes
-- a filter on the key that the big table's index begins with.
CREATE VIEW sequin.records WITH (security_invoker = true) AS
SELECT
  sequin._record_id(s.id, c.id, r.upstream_id) AS id,
  s.id AS sync_id,
  s.provider,
  c.id AS collection_id,
  r.upstream_id,
  r.data,
  r.deleted,
  r.updated_idx,
  r.upstream_created_at,
  r.upstream_updated_at,
  r.inserted_at,
  s.external_id AS sync_external_id,
  s.metadata AS sync_metadata
FROM sequin._records AS r
JOIN sequin._syncs AS s ON s.key = r.sync
JOIN sequin._collections AS c ON c.sync = r.sync AND c.collection = r.collection
WHERE r.updated_idx > 0 AND s.deleted_at IS NULL;

-- Events of a deleted sync stay until retention, for administrators: row level security hides them
-- from everybody else.
CREATE VIEW sequin.events WITH (security_invoker = true) AS
SELECT
  e.seq,
  sequin._event_id((SELECT i.random_bits FROM sequin._instance AS i), e.seq) AS event_id,
  sequin._event_word(e.event) AS event,
  sequin._origin_word(e.origin) AS origin,
  s.id AS sync_id,
  s.provider,
  c.id AS collection_id,
  e.upstream_id,
  e.upstream_updated_at,
  e.data,
  e.changes,
  e.event_inserted_at
FROM sequin._events AS e
JOIN sequin._syncs AS s ON s.key = e.sync
JOIN sequin._collections AS c ON c.sync = e.sync AND c.collection = e.collection;

CREATE VIEW sequin.syncs WITH (security_invoker = true) AS
SELECT
  s.id,
  s.name,
  s.provider,
  s.status,
  sequin._sync_health(s.key) AS health,
  ARRAY(SELECT c.id::text FROM sequin._collections AS c WHERE c.sync = s.key AND c.active ORDER BY c.collection)
    AS collection_ids,
  s.rate_limit,
  k.id AS credential_id,
  s.max_age_days,
  s.sync_frequency,
  s.exclude_fields,
  s.base_url,
  s.settings,
  f.initial_backfill_completed_at,
  s.metadata,
  s.external_id,
  s.owner,
  s.created_at,
  s.updated_at
FROM sequin._syncs AS s
LEFT JOIN sequin._credentials AS k ON k.key = s.credential
LEFT JOIN sequin._sync_facts AS f ON f.sync = s.key
WHERE s.deleted_at IS NULL;

CREATE VIEW sequin.credentials WITH (security_invoker = true) AS
SELECT
  c.id,
  c.name,
  c.provider,
  c.kind,
  c.properties,
  c.secret_names,
  c.oauth_app_id,
  c.base_url,
  f.account,
  sequin._credential_health(c.key, c.revision, c.oauth_app_id, c.created_at) AS health,
  c.metadata,
  c.owner,
  c.created_at,
  c.updated_at
FROM sequin._credentials AS c
LEFT JOIN sequin._credential_facts AS f ON f.credential = c.key AND f.revision = c.revision;

CREATE VIEW sequin.providers WITH (security_invoker = true) AS
SELECT
  p.name AS id,
  coalesce(p.manifest ->> 'title', p.name) AS name,
  p.version,
  ARRAY(SELECT jsonb_array_elements_text(p.manifest -> 'hosts')) AS hosts,
  ARRAY(SELECT jsonb_object_keys(p.manifest -> 'auth') ORDER BY 1) AS kinds,
  p.shipped,
  p.owner,
  p.manifest,
  p.created_at,
  p.updated_at
FROM sequin._providers AS p;

CREATE VIEW sequin.collections WITH (security_invoker = true) AS
SELECT
  k.id,
  p.name AS provider,
  coalesce(k.spec ->> 'title', initcap(replace(k.object, '_', ' '))) AS name,
  p.name || ':' || (k.spec #>> '{parent,collection}') AS parent_id,
  k.spec #>> '{incremental,mode}' AS incremental,
  sequin._delete_kinds(k.spec) AS deletes,
  sequin._fields(k.id, p.fields -> k.object, k.spec) AS fields
FROM sequin._providers AS p,
     LATERAL sequin._collection_specs(p.name) AS k;

-- What the engine wrote down, and what only its memory knows. A sync that is switched off is paused,
-- whatever was written last.
CREATE VIEW sequin.sync_progress WITH (security_invoker = true) AS
SELECT
  s.id AS sync_id,
  c.id AS collection_id,
  CASE WHEN s.status = 'disabled' OR NOT c.active THEN 'paused' ELSE coalesce(p.phase, 'waiting') END AS phase,
  coalesce(p.requests, 0) AS requests,
  coalesce(p.records, 0) AS records,
  p.expected,
  coalesce(p.changes, 0) AS changes,
  l.rate,
  CASE WHEN p.phase = 'backfill' AND l.rate > 0 AND p.expected > p.records
       THEN make_interval(secs => ((p.expected - p.records) / l.rate)::double precision) END AS eta,
  l.lag,
  l.next_run_at,
  p.last_error,
  p.last_error_at,
  p.backfill_started_at,
  p.backfill_completed_at,
  p.last_pass_at,
  p.last_change_at
FROM sequin._syncs AS s
JOIN sequin._collections AS c ON c.sync = s.key
LEFT JOIN sequin._progress AS p ON p.sync = c.sync AND p.collection = c.collection
LEFT JOIN sequin._live_progress() AS l ON l.sync = c.sync AND l.collection = c.collection
WHERE s.deleted_at IS NULL;

CREATE VIEW sequin.sync_errors WITH (security_invoker = true) AS
SELECT
  s.id AS sync_id,
  c.id AS collection_id,
  e.upstream_id,
  e.sqlstate,
  e.reason,
  e.excerpt,
  e.attempts,
  e.next_attempt_at,
  e.first_seen_at,
  e.last_seen_at
FROM sequin._sync_errors AS e
JOIN sequin._syncs AS s ON s.key = e.sync
JOIN sequin._collections AS c ON c.sync = e.sync AND c.collection = e.collection
WHERE s.deleted_at IS NULL;

CREATE VIEW sequin.requests WITH (security_invoker = true) AS
SELECT
  s.id AS sync_id,
  c.id AS collection_id,
  q.sent_at,
  q.method,
  q.path,
  q.status,
  q.duration_ms,
  q.request_id,
  q.error
FROM sequin._requests AS q
JOIN sequin._syncs AS s ON s.key = q.sync
LEFT JOIN sequin._collections AS c ON c.sync = q.sync AND c.collection = q.collection
WHERE s.deleted_at IS NULL;

-- Figures for a monitoring system, of what the caller may see.
CREATE FUNCTION sequin.metrics() RETURNS TABLE (name text, labels jsonb, value double precision, help text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
  WITH progress AS MATERIALIZED (SELECT * FROM sequin.sync_progress),
  syncs AS MATERIALIZED (
    SELECT s.status, coalesce(min(p.status), 'ok') AS health
    FROM sequin._syncs AS s LEFT JOIN LATERAL sequin._sync_problems(s.key) AS p ON true
    WHERE s.deleted_at IS NULL
    GROUP BY s.key, s.status
  )
  SELECT 'sequin_syncs', jsonb_build_object('status', a.status, 'health', b.health),
         (SELECT count(*) FROM syncs AS s WHERE s.status = a.status AND s.health = b.health),
         'Syncs by status and health'
  FROM (VALUES ('active'), ('disabled')) AS a(status), (VALUES ('ok'), ('warn'), ('error')) AS b(health)
  UNION ALL
  SELECT 'sequin_last_seq', '{}', coalesce((SELECT e.seq FROM sequin._events AS e ORDER BY e.seq DESC LIMIT 1), 0),
         'Number of the newest event that the caller may see'
  UNION ALL
  SELECT 'sequin_oldest_seq', '{}', coalesce((SELECT e.seq FROM sequin._events AS e ORDER BY e.seq LIMIT 1), 0),
         'Number of the oldest event kept that the caller may see'
  UNION ALL
  SELECT m.name, jsonb_build_object('sync_id', p.sync_id, 'collection_id', p.collection_id), m.value, m.help
  FROM progress AS p,
       LATERAL (VALUES
         ('sequin_requests_total', p.requests::double precision, 'Requests sent'),
         ('sequin_records_total', p.records::double precision, 'Copies of records read'),
         ('sequin_changes_total', p.changes::double precision, 'Changes appended to the stream'),
         ('sequin_lag_seconds', extract(epoch FROM p.lag)::double precision, 'How far behind the API'),
         ('sequin_rate', p.rate::double precision, 'Records read per second')) AS m(name, value, help)
  WHERE m.value IS NOT NULL
  UNION ALL
  SELECT 'sequin_sync_errors', jsonb_build_object('sync_id', e.sync_id, 'collection_id', e.collection_id), count(*),
         'Records set aside'
  FROM sequin.sync_errors AS e
  GROUP BY e.sync_id, e.collection_id
  ORDER BY 1, 2
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA sequin FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA sequin FROM PUBLIC;
