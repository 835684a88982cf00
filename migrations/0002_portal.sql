-- +goose Up
-- What the portal of the operator needs: accounts that are safe to sign in with, an audit log, history, statistics, bulk jobs.

-- An older version that runs beside this one writes users without knowing these columns.
ALTER TABLE users ADD COLUMN totp_secret {{.Bytes}};
ALTER TABLE users ADD COLUMN totp_step bigint NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN last_login_at {{.Time}};

CREATE TABLE recovery_codes (
  user_id {{.ID}} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  code_hash {{.Bytes}} NOT NULL,
  PRIMARY KEY (user_id, code_hash)
);

-- A link that was used is deleted.
CREATE TABLE one_time_links (
  id {{.ID}} PRIMARY KEY,
  token_hash {{.Bytes}} NOT NULL UNIQUE,
  kind text NOT NULL CHECK (kind IN ('setup','invite')),
  email text NOT NULL,
  name text NOT NULL,
  role text NOT NULL CHECK (role IN ('OWNER','STAFF','ADMIN')),
  tenant_id {{.ID}} REFERENCES tenants (id) ON DELETE CASCADE,
  created_by {{.ID}},
  created_at {{.Time}} NOT NULL,
  expires_at {{.Time}} NOT NULL
);

CREATE TABLE auth_throttle (
  key {{.Bytes}} PRIMARY KEY,
  failures integer NOT NULL,
  since {{.Time}} NOT NULL,
  blocked_until {{.Time}}
){{if .Postgres}} WITH (fillfactor = 50){{end}};

-- Who did what. Entries are only ever added, and outlive the tenants and users that they name: no foreign keys.
CREATE TABLE audit_log (
  id {{.ID}} PRIMARY KEY,
  at {{.Time}} NOT NULL,
  actor_id {{.ID}},
  actor text NOT NULL,
  tenant_id {{.ID}},
  tenant text NOT NULL,
  action text NOT NULL,
  address text NOT NULL,
  before_json text NOT NULL,
  after_json text NOT NULL
);
CREATE INDEX audit_log_age ON audit_log {{if .Postgres}}USING brin (at){{else}}(at){{end}};
CREATE INDEX audit_log_tenant ON audit_log (tenant_id, id) WHERE tenant_id IS NOT NULL;
CREATE INDEX audit_log_actor ON audit_log (actor_id, id) WHERE actor_id IS NOT NULL;

{{if .Postgres}}
-- +goose StatementBegin
CREATE FUNCTION flowhq_append_only() RETURNS trigger LANGUAGE plpgsql AS $f$
BEGIN
  IF current_setting('flowhq.maintenance', true) IS DISTINCT FROM 'on' THEN
    RAISE EXCEPTION 'entries of % are only ever added', TG_TABLE_NAME USING ERRCODE = 'FQ002';
  END IF;
  RETURN NULL;
END $f$;
-- +goose StatementEnd
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION flowhq_append_only();
{{else}}
-- +goose StatementBegin
CREATE TRIGGER audit_log_append_only BEFORE UPDATE ON audit_log
BEGIN
  SELECT RAISE(ABORT, 'entries of audit_log are only ever added');
END;
-- +goose StatementEnd
{{end}}

-- What happened to a tenant's link.
CREATE TABLE tenant_events (
  tenant_id {{.ID}} NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  id {{.ID}} NOT NULL,
  at {{.Time}} NOT NULL,
  event text NOT NULL,
  reason text NOT NULL,
  detail text NOT NULL,
  replica text NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX tenant_events_age ON tenant_events {{if .Postgres}}USING brin (at){{else}}(at){{end}};

-- Which replica served a tenant from when to when. Written by a trigger on the lease, so that no way of taking or
-- losing one is forgotten, and an older version beside this one notes its terms too.
CREATE TABLE lease_terms (
  tenant_id {{.ID}} NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  epoch bigint NOT NULL,
  replica text NOT NULL,
  acquired_at {{.Time}} NOT NULL,
  released_at {{.Time}},
  why text NOT NULL CHECK (why IN ('','released','buried')),
  PRIMARY KEY (tenant_id, epoch)
){{if .Postgres}} WITH (fillfactor = 80){{end}};
CREATE INDEX lease_terms_age ON lease_terms {{if .Postgres}}USING brin (acquired_at){{else}}(acquired_at){{end}};

{{if .Postgres}}
-- +goose StatementBegin
CREATE FUNCTION flowhq_note_term() RETURNS trigger LANGUAGE plpgsql AS $f$
BEGIN
  IF OLD.owner IS NOT NULL THEN
    UPDATE lease_terms SET released_at = coalesce(NEW.released_at, now()),
      why = CASE WHEN EXISTS (SELECT 1 FROM replicas WHERE id = OLD.owner AND state = 'dead') THEN 'buried' ELSE 'released' END
      WHERE tenant_id = OLD.tenant_id AND epoch = OLD.epoch;
  END IF;
  IF NEW.owner IS NOT NULL THEN
    INSERT INTO lease_terms (tenant_id, epoch, replica, acquired_at, why)
      SELECT NEW.tenant_id, NEW.epoch, r.name, coalesce(NEW.acquired_at, now()), '' FROM replicas r WHERE r.id = NEW.owner
      ON CONFLICT DO NOTHING;
  END IF;
  RETURN NULL;
END $f$;
-- +goose StatementEnd
CREATE TRIGGER leases_note_term AFTER UPDATE OF owner ON leases FOR EACH ROW
  WHEN (OLD.owner IS DISTINCT FROM NEW.owner) EXECUTE FUNCTION flowhq_note_term();
{{else}}
-- +goose StatementBegin
CREATE TRIGGER leases_note_term AFTER UPDATE OF owner ON leases WHEN OLD.owner IS NOT NEW.owner
BEGIN
  UPDATE lease_terms SET released_at = NEW.released_at,
    why = CASE WHEN EXISTS (SELECT 1 FROM replicas WHERE id = OLD.owner AND state = 'dead') THEN 'buried' ELSE 'released' END
    WHERE tenant_id = OLD.tenant_id AND epoch = OLD.epoch AND OLD.owner IS NOT NULL;
  INSERT OR IGNORE INTO lease_terms (tenant_id, epoch, replica, acquired_at, why)
    SELECT NEW.tenant_id, NEW.epoch, r.name, NEW.acquired_at, '' FROM replicas r WHERE r.id = NEW.owner AND NEW.acquired_at IS NOT NULL;
END;
-- +goose StatementEnd
{{end}}

-- Messages by hour. The zero tenant is all of them together, so there is no foreign key; removing a tenant removes its rows.
-- replies is a JSON array, see domain.ReplyCounts.
CREATE TABLE hourly_stats (
  tenant_id {{.ID}} NOT NULL,
  hour {{.Time}} NOT NULL,
  received integer NOT NULL,
  sent integer NOT NULL,
  failed integer NOT NULL,
  replies text NOT NULL,
  PRIMARY KEY (tenant_id, hour)
){{if .Postgres}} WITH (fillfactor = 70){{end}};

-- The orders in which an operator lists tenants; the expressions are those of store/order.go.
CREATE INDEX tenants_by_name ON tenants (lower(name), id);
CREATE INDEX tenants_by_status ON tenants
  ((CASE status WHEN 'ERROR' THEN 0 WHEN 'QR_PENDING' THEN 1 WHEN 'NEW' THEN 2 WHEN 'PAUSED' THEN 3 ELSE 4 END), id);
CREATE INDEX sessions_by_last_seen ON whatsapp_sessions ((coalesce(last_seen_at, '9999-12-31 00:00:00+00:00')), tenant_id);

CREATE INDEX message_logs_age ON message_logs {{if .Postgres}}USING brin (created_at) WITH (pages_per_range = 32, autosummarize = on){{else}}(created_at){{end}};

-- The messages of one chat, and the last one of each. It ends with the tenant like all further keys, see 0001.
CREATE INDEX message_logs_chat ON message_logs (contact, tenant_id, id);

-- Messages that are over and were never sent. Its condition names only what changes together with "open": see outbox_open.
CREATE INDEX outbox_unsent ON outbox (created_at, tenant_id) WHERE NOT open AND sent_at IS NULL;

-- Actions on many tenants. The names are those at the time of the action; a tenant may be removed meanwhile.
CREATE TABLE bulk_jobs (
  id {{.ID}} PRIMARY KEY,
  event text NOT NULL CHECK (event IN ('start','stop','restart')),
  total integer NOT NULL,
  done integer NOT NULL,
  failed integer NOT NULL,
  claim {{.ID}},
  claimed_until {{.Time}},
  created_by {{.ID}} NOT NULL,
  created_at {{.Time}} NOT NULL,
  finished_at {{.Time}}
){{if .Postgres}} WITH (fillfactor = 50){{end}};
CREATE INDEX bulk_jobs_unfinished ON bulk_jobs (created_at) WHERE finished_at IS NULL;

CREATE TABLE bulk_items (
  job_id {{.ID}} NOT NULL REFERENCES bulk_jobs (id) ON DELETE CASCADE,
  tenant_id {{.ID}} NOT NULL,
  name text NOT NULL,
  state text NOT NULL CHECK (state IN ('pending','done','failed')),
  error text NOT NULL,
  PRIMARY KEY (job_id, tenant_id)
);
CREATE INDEX bulk_items_open ON bulk_items (job_id, state, tenant_id) WHERE state <> 'done';
