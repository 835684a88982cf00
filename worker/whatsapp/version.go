package whatsapp

import (
	"context"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
)

// Versions keeps the last good version of WhatsApp Web between starts.
type Versions interface {
	// Setting returns a stored value, "" when there is none.
	Setting(ctx context.Context, key string) (string, error)
	PutSetting(ctx context.Context, key, value string) error
}

const (
	versionSetting = "whatsapp_web_version"
	versionTimeout = 20 * time.Second
)

// Version is the version of WhatsApp Web that we introduce ourselves with.
func Version() string { return store.GetWAVersion().String() }

// UseStoredVersion introduces us to WhatsApp with the version that was last
// found good, if it is newer than the one whatsmeow was built with.
func UseStoredVersion(ctx context.Context, v Versions) error {
	stored, err := v.Setting(ctx, versionSetting)
	if err != nil || stored == "" {
		return err
	}
	parsed, err := store.ParseVersion(stored)
	if err != nil {
		return fmt.Errorf("stored WhatsApp version %q: %w", stored, err)
	}
	if store.GetWAVersion().LessThan(parsed) {
		store.SetWAVersion(parsed)
	}
	return nil
}

// RefreshVersion asks WhatsApp for its newest version, uses it from the next
// connection on and stores it.
func (p *Phones) RefreshVersion(ctx context.Context, v Versions) error {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	latest, err := whatsmeow.GetLatestVersion(ctx, p.network.client(ctx, p.Trust, nil))
	if err != nil {
		return fmt.Errorf("ask WhatsApp for its version: %w", err)
	}
	store.SetWAVersion(*latest)
	return v.PutSetting(ctx, versionSetting, latest.String())
}
