-- Sealring's tables, number 1. The same numbers stand in ../sqlite.
-- Times are Unix seconds, or Unix milliseconds where the name ends in _ms. Scopes, claims, amr and details are JSON text.
-- Text compares byte by byte (COLLATE "C"): the same order on every machine, whatever its locale or its libc (T3).
--
-- Least privilege (F13): let `sealring migrate` run as the owner of these tables, and the servers as a role that can
-- neither rewrite the audit log nor rewrite a revocation:
--   GRANT SELECT, INSERT, UPDATE, DELETE ON accounts, clients, credentials, one_time, sessions, signing_keys, access_ttls, declared_settings, rate_limit_buckets, outbox TO sealring_server;
--   GRANT SELECT, INSERT, UPDATE ON subjects TO sealring_server;
--   GRANT SELECT, UPDATE ON store, heartbeat TO sealring_server;
--   GRANT SELECT, INSERT ON revocations, events TO sealring_server;
--   GRANT SELECT ON schema_version TO sealring_server;
-- Forgetting what has expired then needs the owner: `sealring purge`, or DELETE ON revocations, events for the servers.

-- One row: this life of the store, and the counters that every revocation and every audit line take their number from.
CREATE TABLE store (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  incarnation TEXT NOT NULL,
  head BIGINT NOT NULL DEFAULT 0,
  digest BIGINT NOT NULL DEFAULT 0,
  last_event BIGINT NOT NULL DEFAULT 0,
  keys_version BIGINT NOT NULL DEFAULT 0,
  longest_access_ttl BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 10);
INSERT INTO store (one, incarnation) VALUES (1, replace(gen_random_uuid()::TEXT, '-', ''));

-- One row, on its own so that it never waits for a revocation: when the last write was made that this server has
-- acknowledged. One that was left behind by its standbys answers reads, and nothing here ever grows younger (F8).
CREATE TABLE heartbeat (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  at_ms BIGINT NOT NULL
) WITH (fillfactor = 10);
INSERT INTO heartbeat (one, at_ms) VALUES (1, 0);

-- Everybody who ever had an account, a session or an epoch. Rows are never removed: a subject is never used again, and
-- every transaction that concerns all sessions of a subject locks this row first.
CREATE TABLE subjects (
  subject TEXT COLLATE "C" PRIMARY KEY,
  epoch BIGINT NOT NULL,
  deleted BOOLEAN NOT NULL DEFAULT FALSE  -- it was an account: no session starts for it again
) WITH (fillfactor = 80);

CREATE TABLE accounts (
  id TEXT COLLATE "C" PRIMARY KEY REFERENCES subjects (subject),
  name TEXT NOT NULL,
  canonical_name TEXT COLLATE "C" NOT NULL CONSTRAINT accounts_canonical_name UNIQUE,
  email TEXT,
  canonical_email TEXT COLLATE "C",
  email_verified_at BIGINT,
  email_changed_at BIGINT,
  password_hash TEXT,
  scopes TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'disabled')),
  created_at BIGINT NOT NULL
);

-- Several accounts may have typed one address; one may have it verified.
CREATE UNIQUE INDEX accounts_verified_email ON accounts (canonical_email) WHERE email_verified_at IS NOT NULL;
CREATE INDEX accounts_by_email ON accounts (canonical_email);

-- Programs that act for themselves (OAuth clients). Each is a subject, whose epoch kills its tokens.
CREATE TABLE clients (
  id TEXT COLLATE "C" PRIMARY KEY REFERENCES subjects (subject),
  name TEXT NOT NULL,
  secret_digest TEXT NOT NULL,
  scopes TEXT NOT NULL,
  introspects BOOLEAN NOT NULL,
  created_at BIGINT NOT NULL
);

-- Ways to log in beside the password, of which an account may have several. No foreign key, as whatever concerns an
-- account locks its subject first: a deletion removes these rows in the same transaction.
CREATE TABLE credentials (
  id TEXT COLLATE "C" PRIMARY KEY,
  account_id TEXT COLLATE "C" NOT NULL,
  method TEXT NOT NULL,
  public BYTEA NOT NULL,
  encrypted BYTEA NOT NULL,
  label TEXT NOT NULL,
  counter BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  last_used_at BIGINT
) WITH (fillfactor = 80);
CREATE INDEX credentials_by_account ON credentials (account_id);

-- What counts once, by its digest: taken by one DELETE.
CREATE TABLE one_time (
  digest TEXT COLLATE "C" PRIMARY KEY,
  purpose TEXT NOT NULL,
  subject TEXT NOT NULL,
  data TEXT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX one_time_by_end ON one_time (expires_at);

-- One row per session, whatever the number of its refreshes. No foreign key: a refresh must not lock the subject, and
-- housekeeping may remove a session at any moment. A refresh touches no indexed column and finds room in its page.
CREATE TABLE sessions (
  id TEXT COLLATE "C" PRIMARY KEY,
  subject TEXT COLLATE "C" NOT NULL,
  client_id TEXT NOT NULL,
  scopes TEXT NOT NULL,
  claims TEXT NOT NULL,
  device TEXT NOT NULL,
  address TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  auth_time BIGINT NOT NULL,
  last_seen_at BIGINT NOT NULL,
  idle_seconds BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  generation BIGINT NOT NULL,
  minted_ms BIGINT NOT NULL,
  parent_minted_ms BIGINT,
  confirmed_ms BIGINT NOT NULL,
  child_minted_ms BIGINT,
  ended_at BIGINT,
  ended_by TEXT,
  amr TEXT NOT NULL,
  acr TEXT NOT NULL,
  status_index BIGINT,
  proof_key TEXT NOT NULL,
  identity TEXT COLLATE "C" NOT NULL,
  provider_session TEXT COLLATE "C" NOT NULL,
  device_binding TEXT NOT NULL,
  device_jwk TEXT,
  device_bound_at BIGINT
) WITH (fillfactor = 75);
CREATE INDEX sessions_by_subject ON sessions (subject) WHERE ended_at IS NULL;
CREATE INDEX sessions_by_identity ON sessions (identity) WHERE identity <> '' AND ended_at IS NULL;
CREATE INDEX sessions_by_provider ON sessions (provider_session) WHERE provider_session <> '' AND ended_at IS NULL;
CREATE UNIQUE INDEX sessions_status_index ON sessions (status_index) WHERE status_index IS NOT NULL;
CREATE INDEX sessions_ended_status ON sessions (status_index) WHERE status_index IS NOT NULL AND ended_at IS NOT NULL;

CREATE TABLE signing_keys (
  kid TEXT COLLATE "C" PRIMARY KEY,
  alg TEXT NOT NULL,
  public_jwk TEXT,
  encrypted BYTEA NOT NULL,
  published_at BIGINT NOT NULL,
  signs_from BIGINT NOT NULL,
  verifies_until BIGINT,
  revoked_at BIGINT
);

-- Lives of access tokens, in seconds, that issuers of this store have declared before they signed any (design D19), and
-- when the last token of each has expired. The longest stands in `store` too: a revocation is kept for that long.
CREATE TABLE access_ttls (
  seconds BIGINT PRIMARY KEY,
  since BIGINT NOT NULL,
  until BIGINT NOT NULL
);

-- What each running process is set to, as long as it lasts: of two with different issuers, the second does not start.
CREATE TABLE declared_settings (
  process TEXT PRIMARY KEY,
  issuer TEXT NOT NULL,
  previous_issuer TEXT NOT NULL,
  audience TEXT NOT NULL,
  algorithm TEXT NOT NULL,
  cookie_name TEXT NOT NULL,
  until BIGINT NOT NULL
);

-- The feed. Numbers are gapless as given; expired entries are forgotten.
CREATE TABLE revocations (
  number BIGINT PRIMARY KEY,
  id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('session', 'subject', 'key')),
  target TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX revocations_by_end ON revocations (expires_at);

-- Attempts: when the bucket will be empty again (see sealring/rate_limits/gcra.py).
CREATE TABLE rate_limit_buckets (
  bucket BYTEA PRIMARY KEY,
  empty_at_us BIGINT NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE events (
  number BIGINT PRIMARY KEY,
  kind TEXT NOT NULL,
  at_ms BIGINT NOT NULL,
  subject TEXT NOT NULL,
  session TEXT NOT NULL,
  address TEXT NOT NULL,
  cause TEXT NOT NULL,
  detail TEXT NOT NULL
);

-- Mails to be sent, each written with the event that it belongs to. No link and no code stands here.
CREATE TABLE outbox (
  id TEXT COLLATE "C" PRIMARY KEY,
  kind TEXT NOT NULL,
  account_id TEXT NOT NULL,
  email TEXT NOT NULL,
  language TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  tries BIGINT NOT NULL
);
CREATE INDEX outbox_by_due ON outbox (due_at);
