package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"flowhq/simulator"
)

// result is what a load saw.
type result struct {
	latencies []time.Duration // sorted
	answers   int
	lost      int
	seconds   float64
}

func (r result) percentile(p float64) float64 {
	if len(r.latencies) == 0 {
		return 0
	}
	i := min(int(p*float64(len(r.latencies))), len(r.latencies)-1)
	return float64(r.latencies[i].Microseconds()) / 1000
}

func (r result) perSecond() float64 { return float64(r.answers) / r.seconds }

// text makes both bots answer with exactly one message.
const text = "menu"

// answerTimeout is after how long an answer counts as lost.
const answerTimeout = 15 * time.Second

// asker writes as one customer and waits for the answer.
type asker struct {
	shop
	answered chan struct{}
}

func askers(shops []shop) []*asker {
	out := make([]*asker, len(shops))
	for i, s := range shops {
		a := &asker{shop: s, answered: make(chan struct{}, 64)}
		s.customer.Subscribe(func(m simulator.Message) {
			select {
			case a.answered <- struct{}{}:
			default:
			}
		})
		out[i] = a
	}
	return out
}

// ask sends one message and returns how long until the phone showed an answer.
func (a *asker) ask(ctx context.Context) (time.Duration, error) {
	for len(a.answered) > 0 {
		<-a.answered
	}
	started := time.Now()
	if _, err := a.customer.SendText(ctx, a.owner, text); err != nil {
		return 0, err
	}
	timer := time.NewTimer(answerTimeout)
	defer timer.Stop()
	select {
	case <-a.answered:
		return time.Since(started), nil
	case <-timer.C:
		return 0, fmt.Errorf("no answer in %s", answerTimeout)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// steady sends rate messages a second, each customer in turn, whether or not
// answers come, and measures each answer.
func steady(ctx context.Context, all []*asker, rate float64, warmup, length time.Duration) result {
	var mu sync.Mutex
	var r result
	var wg sync.WaitGroup
	began := time.Now()
	ticker := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer ticker.Stop()
	for i := 0; time.Since(began) < warmup+length; i++ {
		<-ticker.C
		a, counted := all[i%len(all)], time.Since(began) >= warmup
		wg.Add(1)
		go func() {
			defer wg.Done()
			took, err := a.ask(ctx)
			if !counted {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				r.lost++
				return
			}
			r.latencies = append(r.latencies, took)
		}()
	}
	wg.Wait()
	r.answers, r.seconds = len(r.latencies), length.Seconds()
	slices.Sort(r.latencies)
	return r
}

// flatOut lets every customer write again as soon as the answer has come.
func flatOut(ctx context.Context, all []*asker, warmup, length time.Duration) result {
	var answers, lost atomic.Int64
	began := time.Now()
	end := began.Add(warmup + length)
	var wg sync.WaitGroup
	for _, a := range all {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for time.Now().Before(end) {
				_, err := a.ask(ctx)
				now := time.Now()
				switch {
				case err != nil:
					lost.Add(1)
				case now.After(began.Add(warmup)) && now.Before(end):
					answers.Add(1)
				}
			}
		}()
	}
	wg.Wait()
	return result{answers: int(answers.Load()), lost: int(lost.Load()), seconds: length.Seconds()}
}
