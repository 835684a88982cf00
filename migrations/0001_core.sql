-- +goose Up
{{if .Postgres}}
-- The database's clock, some seconds from now. SQLite gets a function of the same name from the program.
-- +goose StatementBegin
CREATE FUNCTION flowhq_after(seconds double precision) RETURNS timestamptz LANGUAGE sql STABLE
  AS $$ SELECT now() + seconds * interval '1 second' $$;
-- +goose StatementEnd
{{end}}
-- Tenants and what is stored about each of them. Every primary key begins with the tenant. Further keys end with
-- it: on a young table all indexes look equally cheap to Postgres, and a second one that begins with the tenant may be
-- taken for a lookup by primary key, reading every row of the tenant.
CREATE TABLE tenants (
  id {{.ID}} PRIMARY KEY,
  name text NOT NULL,
  phone_number text NOT NULL UNIQUE,
  status text NOT NULL CHECK (status IN ('NEW','QR_PENDING','ACTIVE','PAUSED','ERROR')),
  wa_key {{.Bytes}} NOT NULL,
  created_at {{.Time}} NOT NULL,
  updated_at {{.Time}} NOT NULL
);

CREATE TABLE tenant_configs (
  tenant_id {{.ID}} PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
  template_type text NOT NULL CHECK (template_type IN ('BOOKING','ECOMMERCE','SUPPORT','REAL_ESTATE','RESTAURANT','HEALTHCARE','SALON','HOTEL')),
  business_name text NOT NULL,
  address text NOT NULL,
  language text NOT NULL CHECK (language IN ('SW','EN')),
  timezone text NOT NULL,
  hours_json {{.JSON}} NOT NULL,
  services_json {{.JSON}} NOT NULL,
  bot_enabled boolean NOT NULL,
  updated_at {{.Time}} NOT NULL
);

CREATE TABLE whatsapp_sessions (
  tenant_id {{.ID}} PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
  state text NOT NULL CHECK (state IN ('DISCONNECTED','QR_READY','CONNECTED')),
  qr text NOT NULL,
  qr_expires_at {{.Time}},
  pairing_code text NOT NULL,
  pairing_phone text NOT NULL,
  pairing_since {{.Time}},
  jid text NOT NULL,
  next_prekey bigint NOT NULL,
  reason text NOT NULL,
  reason_detail text NOT NULL,
  retry_at {{.Time}},
  last_seen_at {{.Time}},
  connected_at {{.Time}},
  updated_at {{.Time}} NOT NULL
);

CREATE TABLE worker_processes (
  tenant_id {{.ID}} PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
  status text NOT NULL CHECK (status IN ('RUNNING','STOPPED','ERROR')),
  last_error text NOT NULL,
  updated_at {{.Time}} NOT NULL
);

-- Who serves a tenant. Written only when the owner changes or a person wants something.
CREATE TABLE leases (
  tenant_id {{.ID}} PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
  device_jid text UNIQUE,
  wanted boolean NOT NULL,
  command text NOT NULL,
  owner {{.ID}},
  epoch bigint NOT NULL,
  acquired_at {{.Time}},
  released_at {{.Time}},
  not_before {{.Time}} NOT NULL,
  fail_count integer NOT NULL
){{if .Postgres}} WITH (fillfactor = 80){{end}};
CREATE INDEX leases_free ON leases (not_before) WHERE owner IS NULL AND (wanted OR command <> '');
CREATE INDEX leases_owner ON leases (owner) WHERE owner IS NOT NULL;

CREATE TABLE replicas (
  id {{.ID}} PRIMARY KEY,
  name text NOT NULL,
  version text NOT NULL,
  nonce {{.Bytes}},
  state text NOT NULL CHECK (state IN ('alive','draining','dead')),
  capacity integer NOT NULL,
  held integer NOT NULL,
  connected integer NOT NULL,
  started_at {{.Time}} NOT NULL,
  heartbeat_at {{.Time}} NOT NULL,
  expires_at {{.Time}} NOT NULL
){{if .Postgres}} WITH (fillfactor = 50){{end}};

-- The message path. Three of its tables have no foreign key: every row of them is written under the lease or with the
-- tenant locked, and looking the tenant up again for each row costs a tenth of a message. Removing a tenant empties them.
CREATE TABLE inbound_seen (
  tenant_id {{.ID}} NOT NULL,
  wa_key {{.Bytes}} NOT NULL,
  seen_at {{.Time}} NOT NULL,
  PRIMARY KEY (tenant_id, wa_key)
);

{{if .Postgres}}CREATE INDEX inbound_seen_age ON inbound_seen USING brin (seen_at);
{{end}}
CREATE TABLE message_logs (
  tenant_id {{.ID}} NOT NULL,
  id {{.ID}} NOT NULL,
  direction text NOT NULL CHECK (direction IN ('IN','OUT')),
  contact text NOT NULL,
  from_number text NOT NULL,
  to_number text NOT NULL,
  message_text text NOT NULL,
  kind text NOT NULL,
  wa_message_id text NOT NULL,
  status text NOT NULL,
  reason text NOT NULL,
  from_phone boolean NOT NULL,
  created_at {{.Time}} NOT NULL,
  PRIMARY KEY (tenant_id, id)
);

CREATE INDEX message_logs_unread ON message_logs (wa_message_id) WHERE status = 'placeholder';

CREATE TABLE conversations (
  tenant_id {{.ID}} NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  contact text NOT NULL,
  chat_jid text NOT NULL,
  state text NOT NULL,
  version bigint NOT NULL,
  muted_until {{.Time}},
  muted_reason text NOT NULL,
  last_in_at {{.Time}},
  last_out_at {{.Time}},
  window_start {{.Time}},
  window_count integer NOT NULL,
  last_text text NOT NULL,
  same_count integer NOT NULL,
  PRIMARY KEY (tenant_id, contact)
){{if .Postgres}} WITH (fillfactor = 80){{end}};

CREATE TABLE customers (
  tenant_id {{.ID}} NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  id {{.ID}} NOT NULL,
  contact text NOT NULL,
  lid text NOT NULL,
  name text NOT NULL,
  opted_out boolean NOT NULL,
  created_at {{.Time}} NOT NULL,
  updated_at {{.Time}} NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (contact, tenant_id)
);

CREATE TABLE appointments (
  tenant_id {{.ID}} NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  id {{.ID}} NOT NULL,
  contact text NOT NULL,
  name text NOT NULL,
  service text NOT NULL,
  at {{.Time}} NOT NULL,
  status text NOT NULL CHECK (status IN ('PENDING','CONFIRMED','COMPLETED','CANCELLED','NO_SHOW')),
  created_at {{.Time}} NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX appointments_at ON appointments (tenant_id, at);

-- One consumer per tenant: the owner of the lease. wa_id is fixed at insert and
-- makes a repeated send the same message; dedup_key does so for a repeated request.
CREATE TABLE outbox (
  tenant_id {{.ID}} NOT NULL,
  id {{.ID}} NOT NULL,
  contact text NOT NULL,
  chat_jid text NOT NULL,
  lane smallint NOT NULL,
  wa_id text NOT NULL,
  dedup_key text,
  in_reply_to text NOT NULL,
  body text NOT NULL,
  open boolean NOT NULL,
  status text NOT NULL CHECK (status IN ('queued','sending','sent','delivered','read','failed','expired','cancelled')),
  attempts integer NOT NULL,
  epoch bigint NOT NULL,
  run_at {{.Time}} NOT NULL,
  expires_at {{.Time}},
  last_error text NOT NULL,
  sent_at {{.Time}},
  server_at {{.Time}},
  created_at {{.Time}} NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (wa_id, tenant_id)
){{if .Postgres}} WITH (fillfactor = 60){{end}};
-- "open" and not the status is indexed, so that most changes of a row touch no index.
CREATE INDEX outbox_open ON outbox (tenant_id, contact, id) WHERE open;
CREATE UNIQUE INDEX outbox_dedup ON outbox (dedup_key, tenant_id) WHERE dedup_key IS NOT NULL;

CREATE TABLE inbound_quarantine (
  tenant_id {{.ID}} NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  id {{.ID}} NOT NULL,
  contact text NOT NULL,
  wa_id text NOT NULL,
  body text NOT NULL,
  error text NOT NULL,
  created_at {{.Time}} NOT NULL,
  PRIMARY KEY (tenant_id, id)
);

-- People and programs that may sign in.
CREATE TABLE users (
  id {{.ID}} PRIMARY KEY,
  tenant_id {{.ID}} REFERENCES tenants (id) ON DELETE CASCADE,
  name text NOT NULL,
  email text NOT NULL UNIQUE,
  password_hash text NOT NULL,
  role text NOT NULL CHECK (role IN ('OWNER','STAFF','ADMIN')),
  disabled boolean NOT NULL,
  created_at {{.Time}} NOT NULL,
  updated_at {{.Time}} NOT NULL
);

CREATE TABLE sessions (
  token {{.Bytes}} PRIMARY KEY,
  user_id {{.ID}} REFERENCES users (id) ON DELETE CASCADE,
  data {{.Bytes}} NOT NULL,
  address text NOT NULL,
  agent text NOT NULL,
  created_at {{.Time}} NOT NULL,
  expires_at {{.Time}} NOT NULL
);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE api_keys (
  id {{.ID}} PRIMARY KEY,
  label text NOT NULL,
  tenant_id {{.ID}} REFERENCES tenants (id) ON DELETE CASCADE,
  key_hash {{.Bytes}} NOT NULL UNIQUE,
  created_at {{.Time}} NOT NULL,
  last_used_at {{.Time}},
  revoked_at {{.Time}}
);

-- Values that the installation keeps for itself, such as its secret and the
-- WhatsApp version that was last found good.
CREATE TABLE settings (
  key text PRIMARY KEY,
  value text NOT NULL,
  updated_at {{.Time}} NOT NULL
);
