// Command bench measures Flow HQ against bare whatsmeow in one run, on one
// simulator and one Postgres, and writes bench/results/latest.json.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// figure is one line of the result. Product and Bare are medians of the runs.
type figure struct {
	Name       string `json:"name"`
	Unit       string `json:"unit"`
	Product    number `json:"product"`
	Bare       number `json:"bare"`
	Ratio      number `json:"ratio"` // product / bare, median of the ratios run by run
	Runs       []run  `json:"runs"`
	Conditions string `json:"conditions"`
}

type run struct {
	Product number `json:"product"`
	Bare    number `json:"bare"`
	Ratio   number `json:"ratio"`
}

// number is written with four significant digits.
type number float64

// MarshalJSON writes the number in its short form.
func (n number) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%.4g", float64(n)), nil }

func main() {
	only := flag.String("only", "messages,fleet,link,portal", "groups to run")
	runs := flag.Int("runs", 3, "runs of each contender")
	length := flag.Duration("length", 20*time.Second, "length of each load")
	idle := flag.Duration("idle", 10*time.Second, "wait before memory is read")
	fleet := flag.Int("fleet", 1000, "tenants of the fleet figures")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx, strings.Split(*only, ","), *runs, *length, *idle, *fleet); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, groups []string, runs int, length, idle time.Duration, fleet int) error {
	dir, err := os.MkdirTemp("", "flowhq-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	lab, err := newLab(dir)
	if err != nil {
		return err
	}
	defer lab.sim.Close()
	s := &suite{lab: lab, runs: runs, length: length, idle: idle}
	for _, g := range []struct {
		name string
		run  func() error
	}{
		{"messages", func() error { return s.messages(ctx, 50, true) }},
		{"messages", func() error { return s.messages(ctx, 200, false) }},
		{"fleet", func() error { return s.fleet(ctx, fleet) }},
		{"link", func() error { return s.firstLink(ctx, 100) }},
		{"portal", func() error { return s.portal(ctx) }},
	} {
		if !slices.Contains(groups, g.name) {
			continue
		}
		if err := g.run(); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
	}
	s.print()
	return s.write()
}

// add turns runs into a figure.
func (s *suite) add(name, unit, conditions string, product, bare []float64) {
	f := figure{Name: name, Unit: unit, Conditions: fmt.Sprintf("%s; %s, %d cores", conditions, runtime.Version(), runtime.NumCPU()),
		Product: median(product), Bare: median(bare)}
	ratios := make([]float64, len(product))
	for i := range product {
		if bare[i] > 0 { // some figures have no reference
			ratios[i] = product[i] / bare[i]
		}
		f.Runs = append(f.Runs, run{number(product[i]), number(bare[i]), number(ratios[i])})
	}
	f.Ratio = median(ratios)
	s.figures = append(s.figures, f)
}

func median(v []float64) number {
	sorted := slices.Sorted(slices.Values(v))
	if n := len(sorted); n%2 == 0 {
		return number((sorted[n/2-1] + sorted[n/2]) / 2)
	}
	return number(sorted[len(sorted)/2])
}

func (s *suite) print() {
	fmt.Printf("\n%-26s %-4s %10s %10s %7s  %s\n", "figure", "unit", "Flow HQ", "bare", "ratio", "ratio of each run")
	for _, f := range s.figures {
		spread := make([]string, len(f.Runs))
		for i, r := range f.Runs {
			spread[i] = fmt.Sprintf("%.2f", float64(r.Ratio))
		}
		fmt.Printf("%-26s %-4s %10.4g %10.4g %6.2fx  %s\n", f.Name, f.Unit, float64(f.Product), float64(f.Bare), float64(f.Ratio), strings.Join(spread, " "))
	}
}

// write replaces the figures that were measured and keeps the others.
func (s *suite) write() error {
	path := filepath.Join("bench", "results", "latest.json")
	var all []json.RawMessage
	if old, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(old, &all); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
	}
	for _, f := range s.figures {
		raw, err := json.Marshal(f)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(r json.RawMessage) bool {
			var named struct{ Name string }
			return json.Unmarshal(r, &named) == nil && named.Name == f.Name
		})
		if i < 0 {
			all = append(all, raw)
			continue
		}
		all[i] = raw
	}
	out, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(out, '\n'), 0o644)
}
