// Command flowhq answers the WhatsApp customers of many small businesses.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"flowhq/domain"
	"flowhq/worker"
)

// cli is the command line. Settings come from the environment (config.go).
type cli struct {
	Serve   serveCmd   `cmd:"" default:"1" help:"Serve tenants, API and portals (the default)."`
	Demo    demoCmd    `cmd:"" help:"Try everything on this machine: simulated WhatsApp, sample tenants, a phone in the browser."`
	Migrate migrateCmd `cmd:"" help:"Bring the database up to date and exit."`
	User    struct {
		Add userAddCmd `cmd:"" help:"Add a person who may sign in."`
	} `cmd:"" help:"People who may sign in."`
	Apikey struct {
		Add keyAddCmd `cmd:"" help:"Add an API key and print it, alone, on stdout."`
	} `cmd:"" help:"Keys for the HTTP API."`
	ResetSessions resetSessionsCmd `cmd:"" help:"After a restore from a backup: start every encryption session anew, before the first connection."`
	Check         checkCmd         `cmd:"" help:"Check the configuration and the database."`
	Simulator     simulatorCmd     `cmd:"" help:"Run the WhatsApp simulator as a process of its own."`
}

// exitBuried is the code with which a replica leaves that the others have
// declared dead; its supervisor starts a new incarnation.
const exitBuried = 70

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	parsed := kong.Parse(&c, kong.Name("flowhq"), kong.Description("WhatsApp bots for small businesses."), kong.UsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)))
	err := parsed.Run()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "flowhq: "+sentence(err))
	stop()
	if errors.Is(err, worker.ErrBuried) {
		os.Exit(exitBuried)
	}
	os.Exit(1)
}

// sentence is what a person reads of an error.
func sentence(err error) string {
	var e *domain.Error
	if errors.As(err, &e) && e.Err == nil {
		return e.Message
	}
	return err.Error()
}
