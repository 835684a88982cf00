package storetest

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// sqliteTemplate is the content of a migrated file, made once for the binary.
var sqliteTemplate = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "flowhq-template-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "template.db")
	if err := migrated("file:" + file); err != nil { // closing the last connection empties the WAL
		return nil, err
	}
	return os.ReadFile(file)
})

// SQLite returns the address of a migrated SQLite file of the test's own.
func SQLite(t testing.TB) string {
	t.Helper()
	content, err := sqliteTemplate()
	if err != nil {
		t.Fatalf("make the SQLite template: %v", err)
	}
	file := filepath.Join(t.TempDir(), "flowhq.db")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return "file:" + file
}
