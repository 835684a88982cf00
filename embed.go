package main

import (
	"embed"
	"io/fs"
)

//go:embed all:templates all:static migrations domain/flow/texts
var embedded embed.FS

// What the program carries with it, each as the package that reads it expects it.
var (
	templateFiles  = within("templates")
	staticFiles    = within("static")
	migrationFiles = within("migrations")
	flowFiles      = within("domain/flow") // texts/*.toml
)

func within(folder string) fs.FS {
	sub, err := fs.Sub(embedded, folder)
	if err != nil {
		panic(err) // only a malformed folder name
	}
	return sub
}
