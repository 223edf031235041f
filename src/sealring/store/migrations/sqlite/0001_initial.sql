-- Sealring's tables, number 1. The same numbers stand in ../postgresql.
-- Times are Unix seconds, or Unix milliseconds where the name ends in _ms. Scopes, claims, amr and details are JSON text.
-- No table `heartbeat` here: one file on one machine has no successor that could leave it behind.

-- One row: this life of the store, and the counters that every revocation and every audit line take their number from.
CREATE TABLE store (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  incarnation TEXT NOT NULL,
  head INTEGER NOT NULL DEFAULT 0,
  digest INTEGER NOT NULL DEFAULT 0,
  last_event INTEGER NOT NULL DEFAULT 0,
  keys_version INTEGER NOT NULL DEFAULT 0,
  longest_access_ttl INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO store (one, incarnation) VALUES (1, lower(hex(randomblob(16))));

-- Everybody who ever had an account or an epoch. Rows are never removed: a subject is never used again.
CREATE TABLE subjects (
  subject TEXT PRIMARY KEY,
  epoch INTEGER NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1))  -- it was an account: no session starts for it again
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
  id TEXT PRIMARY KEY REFERENCES subjects (subject),
  name TEXT NOT NULL,
  canonical_name TEXT NOT NULL UNIQUE,
  email TEXT,
  canonical_email TEXT,
  email_verified_at INTEGER,
  email_changed_at INTEGER,
  password_hash TEXT,
  scopes TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'disabled')),
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Several accounts may have typed one address; one may have it verified.
CREATE UNIQUE INDEX accounts_verified_email ON accounts (canonical_email) WHERE email_verified_at IS NOT NULL;
CREATE INDEX accounts_by_email ON accounts (canonical_email);

-- Programs that act for themselves (OAuth clients). Each is a subject, whose epoch kills its tokens.
CREATE TABLE clients (
  id TEXT PRIMARY KEY REFERENCES subjects (subject),
  name TEXT NOT NULL,
  secret_digest TEXT NOT NULL,
  scopes TEXT NOT NULL,
  introspects INTEGER NOT NULL CHECK (introspects IN (0, 1)),
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Ways to log in beside the password, of which an account may have several. No foreign key: a deletion of an account
-- removes these rows in the same transaction.
CREATE TABLE credentials (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL,
  method TEXT NOT NULL,
  public BLOB NOT NULL,
  encrypted BLOB NOT NULL,
  label TEXT NOT NULL,
  counter INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  last_used_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX credentials_by_account ON credentials (account_id);

-- What counts once, by its digest: taken by one DELETE.
CREATE TABLE one_time (
  digest TEXT PRIMARY KEY,
  purpose TEXT NOT NULL,
  subject TEXT NOT NULL,
  data TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX one_time_by_end ON one_time (expires_at);

-- One row per session, whatever the number of its refreshes. No foreign key: subjects of an application with users of
-- its own have no row until their epoch is first raised, and housekeeping may remove a session at any moment.
CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  subject TEXT NOT NULL,
  client_id TEXT NOT NULL,
  scopes TEXT NOT NULL,
  claims TEXT NOT NULL,
  device TEXT NOT NULL,
  address TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  auth_time INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  idle_seconds INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  minted_ms INTEGER NOT NULL,
  parent_minted_ms INTEGER,
  confirmed_ms INTEGER NOT NULL,
  child_minted_ms INTEGER,
  ended_at INTEGER,
  ended_by TEXT,
  amr TEXT NOT NULL,
  acr TEXT NOT NULL,
  status_index INTEGER,
  proof_key TEXT NOT NULL,
  identity TEXT NOT NULL,
  provider_session TEXT NOT NULL,
  device_binding TEXT NOT NULL,
  device_jwk TEXT,
  device_bound_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_subject ON sessions (subject) WHERE ended_at IS NULL;
CREATE INDEX sessions_by_identity ON sessions (identity) WHERE identity <> '' AND ended_at IS NULL;
CREATE INDEX sessions_by_provider ON sessions (provider_session) WHERE provider_session <> '' AND ended_at IS NULL;
CREATE UNIQUE INDEX sessions_status_index ON sessions (status_index) WHERE status_index IS NOT NULL;
CREATE INDEX sessions_ended_status ON sessions (status_index) WHERE status_index IS NOT NULL AND ended_at IS NOT NULL;

CREATE TABLE signing_keys (
  kid TEXT PRIMARY KEY,
  alg TEXT NOT NULL,
  public_jwk TEXT,
  encrypted BLOB NOT NULL,
  published_at INTEGER NOT NULL,
  signs_from INTEGER NOT NULL,
  verifies_until INTEGER,
  revoked_at INTEGER
) STRICT, WITHOUT ROWID;

-- Lives of access tokens, in seconds, that issuers of this store have declared before they signed any (design D19), and
-- when the last token of each has expired. The longest stands in `store` too: a revocation is kept for that long.
CREATE TABLE access_ttls (
  seconds INTEGER PRIMARY KEY,
  since INTEGER NOT NULL,
  until INTEGER NOT NULL
) STRICT;

-- What each running process is set to, as long as it lasts: of two with different issuers, the second does not start.
CREATE TABLE declared_settings (
  process TEXT PRIMARY KEY,
  issuer TEXT NOT NULL,
  previous_issuer TEXT NOT NULL,
  audience TEXT NOT NULL,
  algorithm TEXT NOT NULL,
  cookie_name TEXT NOT NULL,
  until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The feed. Numbers are gapless as given; expired entries are forgotten.
CREATE TABLE revocations (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('session', 'subject', 'key')),
  target TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX revocations_by_end ON revocations (expires_at);

-- Attempts: when the bucket will be empty again (see sealring/rate_limits/gcra.py).
CREATE TABLE rate_limit_buckets (
  bucket BLOB PRIMARY KEY,
  empty_at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  number INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  subject TEXT NOT NULL,
  session TEXT NOT NULL,
  address TEXT NOT NULL,
  cause TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;

-- Mails to be sent, each written with the event that it belongs to. No link and no code stands here.
CREATE TABLE outbox (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  account_id TEXT NOT NULL,
  email TEXT NOT NULL,
  language TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  tries INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_by_due ON outbox (due_at);
