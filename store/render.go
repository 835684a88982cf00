package store

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path"
	"text/template"
)

// words are the few places in which the dialects differ in a table definition.
type words struct {
	ID, Time, JSON, Bytes string
	Postgres              bool
}

var dialectWords = map[dialect]words{
	postgres: {ID: "uuid", Time: "timestamptz", JSON: "jsonb", Bytes: "bytea", Postgres: true},
	sqlite:   {ID: "text", Time: "timestamp", JSON: "text", Bytes: "blob"},
}

// renderedFS shows SQL templates as the SQL of one dialect.
type renderedFS struct {
	fs.FS
	words words
}

func render(migrations fs.FS, d dialect) fs.FS { return renderedFS{migrations, dialectWords[d]} }

func (r renderedFS) Open(name string) (fs.File, error) {
	f, err := r.FS.Open(name)
	if err != nil || path.Ext(name) != ".sql" {
		return f, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	t, err := template.New(name).Option("missingkey=error").Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("parse migration: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, r.words); err != nil {
		return nil, fmt.Errorf("render migration: %w", err)
	}
	return &renderedFile{Reader: bytes.NewReader(out.Bytes()), info: info}, nil
}

type renderedFile struct {
	*bytes.Reader
	info fs.FileInfo
}

func (f *renderedFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *renderedFile) Close() error               { return nil }
