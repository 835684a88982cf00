-- +goose Up
-- One-time prekeys, several to a row: a first link makes 812 of them, and as rows of whatsmeow's table, each with its
-- own lookup of the device, they were most of what linking cost. first_id is the id of the first key of the row, each is
-- 32 bytes, and one that was used is overwritten with zeros. Keys made before this table stay in whatsmeow's. Like the
-- tables of the message path it is written under the lease and has no foreign key; removing a tenant empties it.
-- needs 3: an older program does not find the keys that are stored here.
CREATE TABLE prekeys (
  tenant_id {{.ID}} NOT NULL,
  jid text NOT NULL,
  first_id integer NOT NULL,
  keys {{.Bytes}} NOT NULL,
  remaining integer NOT NULL,
  PRIMARY KEY (tenant_id, jid, first_id)
);
