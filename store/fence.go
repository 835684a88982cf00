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
// flowhq_fence guards our own transactions and names the exact epoch. The
// triggers guard whatsmeow's tables, which know neither tenant nor epoch: they
// compare the owner with the id that the connection was opened with. A row of a
// transaction that flowhq_fence has let pass is not looked up again.
//
// Postgres only. A SQLite file has one serving process, see Lock.

const fenceTenant = `CREATE OR REPLACE FUNCTION flowhq_fence(tenant uuid, replica uuid, term bigint) RETURNS void LANGUAGE plpgsql AS $f$
DECLARE device text;
BEGIN
  SELECT device_jid INTO device FROM leases WHERE tenant_id = tenant AND owner = replica AND epoch = term FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'lease fence: term % of tenant % is over', term, tenant USING ERRCODE = 'FQ001';
  END IF;
  PERFORM set_config('flowhq.fenced', coalesce(device, ''), true);
END $f$`

// fenceRows is made once for each name that the device column has.
const fenceRows = `CREATE OR REPLACE FUNCTION flowhq_fence_COLUMN() RETURNS trigger LANGUAGE plpgsql AS $f$
DECLARE
  device text;
  result record;
BEGIN
  IF TG_OP = 'DELETE' THEN device := OLD.COLUMN; result := OLD; ELSE device := NEW.COLUMN; result := NEW; END IF;
  IF current_setting('flowhq.fenced', true) = device THEN RETURN result; END IF;
  IF current_setting('flowhq.maintenance', true) = 'on' THEN RETURN result; END IF;
  PERFORM 1 FROM leases WHERE device_jid = device AND owner = nullif(current_setting('flowhq.replica', true), '')::uuid FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'lease fence: device % is not served by this replica', device USING ERRCODE = 'FQ001';
  END IF;
  RETURN result;
END $f$`

const fenceTrigger = "flowhq_fence"

// fenceEvents are the exceptions from "every write": a device is inserted while
// it is linked, and old hashes of all tenants are swept together.
var fenceEvents = map[string]string{
	"whatsmeow_device":       "UPDATE OR DELETE",
	"whatsmeow_event_buffer": "INSERT OR UPDATE",
}

// unfenced are the tables of whatsmeow that belong to no device.
var unfenced = map[string]bool{"whatsmeow_lid_map": true, "whatsmeow_version": true}

// installFence makes the functions anew and adds the triggers that are missing.
// It fails when whatsmeow has a table that the fence does not understand.
func installFence(ctx context.Context, db *sql.DB) error {
	for _, definition := range []string{fenceTenant, strings.ReplaceAll(fenceRows, "COLUMN", "our_jid"), strings.ReplaceAll(fenceRows, "COLUMN", "jid")} {
		if _, err := db.ExecContext(ctx, definition); err != nil {
			return translate("install the lease fence", err)
		}
	}
	tables, err := whatsappTables(ctx, db)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if t.fenced || unfenced[t.name] || t.column == "" {
			continue
		}
		events, ok := fenceEvents[t.name]
		if !ok {
			events = "INSERT OR UPDATE OR DELETE"
		}
		_, err := db.ExecContext(ctx, fmt.Sprintf("CREATE TRIGGER %s BEFORE %s ON %s FOR EACH ROW EXECUTE FUNCTION flowhq_fence_%s()",
			fenceTrigger, events, t.name, t.column))
		if err != nil {
			return translate("fence "+t.name, err)
		}
	}
	return CheckFence(ctx, db)
}

// CheckFence fails when a table of whatsmeow's stands outside the fence, and names it.
func CheckFence(ctx context.Context, db *sql.DB) error {
	tables, err := whatsappTables(ctx, db)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if !t.fenced && !unfenced[t.name] {
			return domain.Errorf(domain.KindInternal, "table %s is not fenced: two replicas could write the same keys", t.name)
		}
	}
	return nil
}

type whatsappTable struct {
	name   string
	column string // the one with the device, empty when unknown
	fenced bool
}

func whatsappTables(ctx context.Context, db *sql.DB) (tables []whatsappTable, err error) {
	defer translated("list the WhatsApp tables", &err)
	found, err := db.QueryContext(ctx, `SELECT c.relname,
		coalesce((SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname IN ('our_jid', 'jid') AND NOT a.attisdropped LIMIT 1), ''),
		EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = $1 AND t.tgenabled IN ('O', 'A'))
		FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND c.relname LIKE 'whatsmeow\_%'
		ORDER BY c.relname`, fenceTrigger)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var t whatsappTable
		if err := found.Scan(&t.name, &t.column, &t.fenced); err != nil {
			return nil, err
		}
		tables = append(tables, t)
	}
	return tables, found.Err()
}
