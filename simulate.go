package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"flowhq/simulator"
)

type simulatorCmd struct {
	Addr    string `default:"127.0.0.1:0" help:"Address of the simulated WhatsApp."`
	Control string `default:"127.0.0.1:0" help:"Address of the HTTP control API."`
	Dir     string `default:"." help:"Folder for the certificate file."`
	Seed    int64  `default:"1" help:"Seed of the faults."`
}

// Run serves the simulator until a signal comes. It prints the settings that
// point Flow HQ at it, one NAME=value a line.
func (s simulatorCmd) Run(ctx context.Context) error {
	sim, err := simulator.Start(simulator.Options{Addr: s.Addr, Seed: s.Seed})
	if err != nil {
		return fmt.Errorf("start the simulator: %w", err)
	}
	defer sim.Close()
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", s.Dir, err)
	}
	settings, err := sim.Settings(s.Dir)
	if err != nil {
		return err
	}
	control, err := net.Listen("tcp", s.Control)
	if err != nil {
		return fmt.Errorf("listen for control: %w", err)
	}
	names := make([]string, 0, len(settings))
	for name := range settings {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Printf("%s=%s\n", name, settings[name])
	}
	fmt.Printf("FLOWHQ_SIMULATOR_CONTROL=http://%s\n", control.Addr())
	server := &http.Server{Handler: sim.ControlHandler(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(control); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve control: %w", err)
	}
	return nil
}
