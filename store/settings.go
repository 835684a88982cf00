package store

import (
	"context"
	"database/sql"
	"errors"

	"flowhq/domain"
)

// Settings are values that the installation keeps for itself.
type Settings struct{ s *Store }

// Settings returns the store as the installation's own values.
func (s *Store) Settings() Settings { return Settings{s} }

// Setting returns a stored value, "" when there is none.
func (v Settings) Setting(ctx context.Context, key string) (value string, err error) {
	defer translated("read setting "+key, &err)
	err = v.s.reader.QueryRowContext(ctx, v.s.text(`SELECT value FROM settings WHERE key = $1`), key).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, err
}

// PutSetting stores a value.
func (v Settings) PutSetting(ctx context.Context, key, value string) (err error) {
	defer translated("store setting "+key, &err)
	_, err = v.s.writer.ExecContext(ctx, v.s.text(`INSERT INTO settings (key, value, updated_at) VALUES ($1, $2, $3)
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at`), key, value, domain.Now())
	return err
}

// SettingOr returns the stored value, or stores the given one when there is
// none. Of several replicas that start together all get the same.
func (v Settings) SettingOr(ctx context.Context, key, value string) (stored string, err error) {
	defer translated("settle setting "+key, &err)
	_, err = v.s.writer.ExecContext(ctx, v.s.text(`INSERT INTO settings (key, value, updated_at) VALUES ($1, $2, $3)
		ON CONFLICT (key) DO NOTHING`), key, value, domain.Now())
	if err != nil {
		return "", err
	}
	return v.Setting(ctx, key)
}
