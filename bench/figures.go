package main

import (
	"context"
	"fmt"
	"time"
)

// suite runs the figures. Product and reference take turns within each figure,
// so that a machine whose speed drifts drifts for both.
type suite struct {
	*lab
	runs    int
	length  time.Duration
	figures []figure
	idle    time.Duration
}

// pair prepares product and references over n shops each and links them.
func (s *suite) pair(ctx context.Context, n int, unsafe bool) (p *product, safe, loose *bare, err error) {
	name := fmt.Sprintf("bench_%d", n)
	if p, err = s.product(name, n); err != nil {
		return nil, nil, nil, err
	}
	if err = fill(ctx, p); err != nil {
		return nil, nil, nil, fmt.Errorf("link product: %w", err)
	}
	if safe, err = s.bare(name+"_bare", n, true); err != nil {
		return nil, nil, nil, err
	}
	if err = fill(ctx, safe); err != nil {
		return nil, nil, nil, fmt.Errorf("link reference: %w", err)
	}
	if unsafe {
		copied := *safe // the same devices, started without the guarantees
		copied.safe = false
		loose = &copied
	}
	return p, safe, loose, nil
}

// fill links all phones of a contender and stops it.
func fill(ctx context.Context, c contender) error {
	if err := c.boot(ctx); err != nil {
		return err
	}
	defer c.stop()
	return c.link(ctx)
}

func (s *suite) product(db string, n int) (*product, error) {
	shops, err := s.shops(n)
	if err != nil {
		return nil, err
	}
	url, err := s.database(db)
	return &product{lab: s.lab, db: url, shops: shops}, err
}

func (s *suite) bare(db string, n int, safe bool) (*bare, error) {
	shops, err := s.shops(n)
	if err != nil {
		return nil, err
	}
	url, err := s.database(db)
	return &bare{lab: s.lab, db: url, shops: shops, safe: safe}, err
}

const (
	warmup     = 5 * time.Second
	steadyRate = 20
)

// messages measures replies and maxima over n tenants.
func (s *suite) messages(ctx context.Context, n int, steadily bool) error {
	p, safe, loose, err := s.pair(ctx, n, steadily)
	if err != nil {
		return err
	}
	contenders := []contender{p, safe}
	if loose != nil {
		contenders = append(contenders, loose)
	}
	talk := map[contender][]*asker{p: askers(p.shops), safe: askers(safe.shops)}
	if loose != nil {
		talk[loose] = talk[safe]
	}
	slow, fast := map[contender][]result{}, map[contender][]result{}
	for run := range s.runs {
		for i := range contenders {
			c := contenders[(i+run)%len(contenders)] // nobody is always first
			if _, err := c.run(ctx); err != nil {
				return err
			}
			if steadily && c != contender(loose) {
				slow[c] = append(slow[c], steady(ctx, talk[c], steadyRate, warmup, s.length))
			}
			fast[c] = append(fast[c], flatOut(ctx, talk[c], warmup, s.length))
			c.stop()
			s.say(c.name(), n, slow[c], fast[c])
		}
	}
	conditions := fmt.Sprintf("%d tenants, one customer each, Postgres, pool 20, %s per run", n, s.length)
	if steadily {
		for _, f := range []struct {
			name string
			p    float64
		}{{"reply_p50_20ps_50t", 0.50}, {"reply_p99_20ps_50t", 0.99}} {
			s.add(f.name, "ms", conditions+", 20 messages/s", collect(slow[p], func(r result) float64 { return r.percentile(f.p) }),
				collect(slow[safe], func(r result) float64 { return r.percentile(f.p) }))
		}
		s.add("max_answers_50t_unsafe", "1/s", conditions+", reference without guarantees", collect(fast[p], result.perSecond), collect(fast[loose], result.perSecond))
	}
	s.add(fmt.Sprintf("max_answers_%dt", n), "1/s", conditions, collect(fast[p], result.perSecond), collect(fast[safe], result.perSecond))
	return nil
}

func (s *suite) say(name string, n int, slow, fast []result) {
	line := fmt.Sprintf("  %-22s %4d tenants", name, n)
	if len(slow) > 0 {
		r := slow[len(slow)-1]
		line += fmt.Sprintf("  p50 %6.2f ms  p99 %6.2f ms  lost %d", r.percentile(0.5), r.percentile(0.99), r.lost)
	}
	r := fast[len(fast)-1]
	fmt.Printf("%s  max %6.1f/s  lost %d\n", line, r.perSecond(), r.lost)
}

// fleet measures memory and reconnection of many stored tenants.
func (s *suite) fleet(ctx context.Context, n int) error {
	p, safe, _, err := s.pair(ctx, n, false)
	if err != nil {
		return err
	}
	memory, seconds := map[contender][]float64{}, map[contender][]float64{}
	for run := range s.runs {
		for i := range 2 {
			c := []contender{p, safe}[(i+run)%2]
			took, err := c.run(ctx)
			if err != nil {
				return err
			}
			seconds[c] = append(seconds[c], took.Seconds())
			time.Sleep(s.idle) // idle is what is measured
			kb, err := c.rss()
			if err != nil {
				return err
			}
			memory[c] = append(memory[c], kb/float64(n))
			c.stop()
			fmt.Printf("  %-22s %4d tenants  connected after %5.2f s  %6.1f kB each\n", c.name(), n, took.Seconds(), kb/float64(n))
		}
	}
	s.add("idle_rss_per_tenant_1000", "kB", fmt.Sprintf("%d connected tenants, resident memory of the process %s after the last connection, divided by tenants", n, s.idle), memory[p], memory[safe])
	s.add("reconnect_1000", "s", fmt.Sprintf("%d stored tenants, from process start to all connected, pacing off", n), seconds[p], seconds[safe])
	return nil
}

// linkWarmup numbers are linked by both before anything counts: the first
// contender would else pay for a simulator and a Postgres that have just started.
const linkWarmup = 10

// firstLink measures the linking of n new numbers.
func (s *suite) firstLink(ctx context.Context, n int) error {
	if _, _, _, err := s.pair(ctx, linkWarmup, false); err != nil {
		return err
	}
	seconds := map[string][]float64{}
	for run := range s.runs {
		p, err := s.product(fmt.Sprintf("bench_link_%d", run), n)
		if err != nil {
			return err
		}
		b, err := s.bare(fmt.Sprintf("bench_link_bare_%d", run), n, true)
		if err != nil {
			return err
		}
		for i := range 2 {
			c := []contender{p, b}[(i+run)%2]
			if err := c.boot(ctx); err != nil {
				return err
			}
			started := time.Now()
			if err := c.link(ctx); err != nil {
				return err
			}
			took := time.Since(started).Seconds()
			c.stop()
			seconds[c.name()] = append(seconds[c.name()], took)
			fmt.Printf("  %-22s %4d numbers linked in %5.2f s\n", c.name(), n, took)
		}
	}
	s.add("first_link_100", "s", fmt.Sprintf("%d new numbers, %d at a time, from a running process to all connected", n, parallel), seconds["Flow HQ"], seconds["bare, same guarantees"])
	return nil
}

func collect(rs []result, f func(result) float64) []float64 {
	out := make([]float64, len(rs))
	for i, r := range rs {
		out[i] = f(r)
	}
	return out
}
