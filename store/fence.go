package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"flowhq/domain"
)

// The fence: a replica that lost a lease can write nothing more for its tenant,
// whatever its clocks and caches believe. Checking is not enough, a pause may
// lie between check and write; the check holds a share lock on the lease row
// until the commit, and a change of owner waits for it.
//
// The first statement of our own transactions (fence) names the exact epoch. The
// triggers guard whatsmeow's tables, which know neither tenant nor epoch: they
// compare the owner with the id that the connection was opened with. A device
// that fence has let pass is noted for the rest of the transaction, and its rows
// do not call the trigger's function at all.
//
// Postgres only. A SQLite file has one serving process, see Lock.

// fence is the first statement of each transaction of the message path: $1 to
// $3 are the tenure, $4 is the device whose keys are written, empty when none
// are. On Postgres it raises FQ001 itself, because the rest of the batch is on
// its way already when the answer comes.
var fence = statements(
	`SELECT coalesce((SELECT set_config('flowhq.fenced', coalesce(device_jid, ''), true) FROM leases
		WHERE tenant_id = $1 AND owner = $2 AND epoch = $3 AND ($4::text = '' OR device_jid = $4) FOR SHARE), flowhq_over('term of tenant ' || $1::text))`,
	`SELECT 1 FROM leases WHERE tenant_id = ?1 AND owner = ?2 AND epoch = ?3 AND (?4 = '' OR device_jid = ?4)`)

func (b *batch) fence(t domain.Tenure, device string) {
	b.read(func(found rows) error {
		if !found.Next() {
			return orElse(found.Err(), domain.ErrFenced)
		}
		return nil
	}, fence, t.TenantID, t.Replica, t.Epoch, device)
}

const fenceOver = `CREATE OR REPLACE FUNCTION flowhq_over(what text) RETURNS text LANGUAGE plpgsql VOLATILE AS $f$
BEGIN
  RAISE EXCEPTION 'lease fence: the % is not held by this replica', what USING ERRCODE = 'FQ001';
END $f$`

// fenceRows is made once for each name that the device column has.
const fenceRows = `CREATE OR REPLACE FUNCTION flowhq_fence_COLUMN() RETURNS trigger LANGUAGE plpgsql AS $f$
DECLARE
  device text;
  result record;
BEGIN
  IF TG_OP = 'DELETE' THEN device := OLD.COLUMN; result := OLD; ELSE device := NEW.COLUMN; result := NEW; END IF;
  IF current_setting('flowhq.maintenance', true) = 'on' THEN RETURN result; END IF;
  PERFORM 1 FROM leases WHERE device_jid = device AND owner = nullif(current_setting('flowhq.replica', true), '')::uuid FOR SHARE;
  IF NOT FOUND THEN PERFORM flowhq_over('device ' || device); END IF;
  RETURN result;
END $f$`

// A condition can see either the new row or the old one, so each table has two
// triggers. The exceptions from "every write": a device is inserted while it is
// linked, and old hashes of all tenants are swept together.
const (
	fenceWrites  = "flowhq_fence"
	fenceDeletes = "flowhq_fence_delete"
)

type trigger struct{ name, events, row string }

func triggersOf(table string) []trigger {
	switch table {
	case "whatsmeow_device":
		return []trigger{{fenceWrites, "UPDATE", "NEW"}, {fenceDeletes, "DELETE", "OLD"}}
	case "whatsmeow_event_buffer":
		return []trigger{{fenceWrites, "INSERT OR UPDATE", "NEW"}}
	}
	return []trigger{{fenceWrites, "INSERT OR UPDATE", "NEW"}, {fenceDeletes, "DELETE", "OLD"}}
}

// unfenced are the tables of whatsmeow that belong to no device.
var unfenced = map[string]bool{"whatsmeow_lid_map": true, "whatsmeow_version": true}

// installFence makes the functions anew and adds the triggers that are missing.
// It fails when whatsmeow has a table that the fence does not understand.
func installFence(ctx context.Context, db *sql.DB) error {
	for _, definition := range []string{fenceOver, strings.ReplaceAll(fenceRows, "COLUMN", "our_jid"), strings.ReplaceAll(fenceRows, "COLUMN", "jid")} {
		if _, err := db.ExecContext(ctx, definition); err != nil {
			return translate("install the lease fence", err)
		}
	}
	tables, err := whatsappTables(ctx, db)
	if err != nil {
		return err
	}
	for _, table := range tables {
		if unfenced[table.name] || table.column == "" {
			continue
		}
		for _, t := range table.missing() {
			_, err := db.ExecContext(ctx, fmt.Sprintf(`CREATE TRIGGER %s BEFORE %s ON %s FOR EACH ROW
				WHEN (current_setting('flowhq.fenced', true) IS DISTINCT FROM %s.%s) EXECUTE FUNCTION flowhq_fence_%s()`,
				t.name, t.events, table.name, t.row, table.column, table.column))
			if err != nil {
				return translate("fence "+table.name, err)
			}
		}
	}
	return checkFence(ctx, db)
}

// CheckFence fails when a table of whatsmeow's stands outside the fence, and
// names it. Without tables, and on SQLite, there is nothing to check.
func (s *Store) CheckFence(ctx context.Context) error {
	if s.dialect == sqlite {
		return nil
	}
	return checkFence(ctx, s.writer)
}

func checkFence(ctx context.Context, db *sql.DB) error {
	tables, err := whatsappTables(ctx, db)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if !unfenced[t.name] && len(t.missing()) > 0 {
			return domain.Errorf(domain.KindInternal, "table %s is not fenced: two replicas could write the same keys", t.name)
		}
	}
	return nil
}

type whatsappTable struct {
	name     string
	column   string // the one with the device, empty when unknown
	triggers string // names of ours, between commas
}

func (t whatsappTable) missing() (all []trigger) {
	for _, needed := range triggersOf(t.name) {
		if !strings.Contains(t.triggers, ","+needed.name+",") {
			all = append(all, needed)
		}
	}
	return all
}

func whatsappTables(ctx context.Context, db *sql.DB) (tables []whatsappTable, err error) {
	defer translated("list the WhatsApp tables", &err)
	found, err := db.QueryContext(ctx, `SELECT c.relname,
		coalesce((SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname IN ('our_jid', 'jid') AND NOT a.attisdropped LIMIT 1), ''),
		coalesce((SELECT ',' || string_agg(t.tgname, ',') || ',' FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgenabled IN ('O', 'A')), '')
		FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND c.relname LIKE 'whatsmeow\_%'
		ORDER BY c.relname`)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var t whatsappTable
		if err := found.Scan(&t.name, &t.column, &t.triggers); err != nil {
			return nil, err
		}
		tables = append(tables, t)
	}
	return tables, found.Err()
}
