-- What is written in C++: the entry of management functions (declared beside their groups), secrets,
-- the server's identity, and the small pure functions that views and indexes lean on.

-- Seals a text with the newest key of the key file; `aad` is what the seal is bound to.
CREATE FUNCTION sequin._seal(aad text, plain text) RETURNS bytea
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_seal';

-- A hash that cannot be guessed without the key file.
CREATE FUNCTION sequin._keyed_hash(plain text) RETURNS bytea
LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_keyed_hash';

-- The candidate nearest to a word, NULL where none is near.
CREATE FUNCTION sequin._nearest(word text, candidates text[]) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'sequin_nearest';

-- Checks a manifest; the jsonpaths it returns as {"jsonpaths": [{place, path, predicate}]} are left to check.
CREATE FUNCTION sequin._check_manifest(manifest jsonb) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'sequin_check_manifest';

-- Refuses with 55000 where the library is not preloaded, so that nobody waits for workers that never come.
CREATE FUNCTION sequin._require_workers() RETURNS void
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_require_workers';

-- Whether the server had no worker slot left for this database's engine.
CREATE FUNCTION sequin._lacks_worker_slot() RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_lacks_worker_slot';

-- Marks a sync as changed; the engine is woken when the transaction commits. 0: everything.
CREATE FUNCTION sequin._changed(sync integer) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_changed';

-- Which database this is, as the server says now.
CREATE FUNCTION sequin._system(OUT system_identifier bigint, OUT database oid, OUT timeline integer)
RETURNS record
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_system';

CREATE FUNCTION sequin._random_bits() RETURNS bigint
LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'sequin_random_bits';

-- A variable of the server's environment; NULL where it is not set.
CREATE FUNCTION sequin._env(name text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'sequin_env';

-- A time as JSON has it here: UTC, six digits, Z.
CREATE FUNCTION sequin._iso(moment timestamptz) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'sequin_iso';

-- Event ids are made of the instance's random bits and the number (uuid, version 8), and read back.
CREATE FUNCTION sequin._event_id(random_bits bigint, seq bigint) RETURNS uuid
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'sequin_event_id';

CREATE FUNCTION sequin._event_seq(event_id uuid) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'sequin_event_seq';

-- Record ids (uuid, version 5) are the same wherever the same three names meet.
CREATE FUNCTION sequin._record_id(sync_id text, collection_id text, upstream_id text) RETURNS uuid
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'sequin_record_id';

-- What only shared memory knows of syncs: when they run next, how far behind and how fast they are.
CREATE FUNCTION sequin._live_progress(
  OUT sync integer,
  OUT collection smallint,
  OUT next_run_at timestamptz,
  OUT lag interval,
  OUT rate numeric)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL RESTRICTED ROWS 100 AS 'MODULE_PATHNAME', 'sequin_live_progress';

-- Typed reading of a top-level field, NULL where it is missing or does not fit. Leakproof, so that an
-- index on them serves readers under row level security too.
CREATE FUNCTION sequin.get_text(data jsonb, key text) RETURNS text
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'sequin_get_text';

CREATE FUNCTION sequin.get_numeric(data jsonb, key text) RETURNS numeric
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'sequin_get_numeric';

CREATE FUNCTION sequin.get_timestamptz(data jsonb, key text) RETURNS timestamptz
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'sequin_get_timestamptz';

CREATE FUNCTION sequin.get_boolean(data jsonb, key text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'sequin_get_boolean';
