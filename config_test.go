package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for _, p := range pairs {
			if k, v, _ := strings.Cut(p, "="); k == name {
				return v
			}
		}
		return ""
	}
}

func TestConfig_DefaultsServeOneMachine(t *testing.T) {
	c, err := LoadConfig(env())
	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.DatabaseURL, c.ListenAddr, c.Redirect.Active(), c.Worker.HumanPace, c.Worker.LoopGuard, c.Worker.Timings.TTL}
	want := []any{"file:data/flowhq.db", "127.0.0.1:8080", false, true, true, 15 * time.Second}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestConfig_NamesEveryMistakeAtOnce(t *testing.T) {
	_, err := LoadConfig(env("DATABASE_URL=mysql://x", "LISTEN_ADDR=nowhere", "FLOWHQ_SECRET=short", "FLOWHQ_CAPACITY=lots",
		"FLOWHQ_TYPING_DELAY=maybe", "FLOWHQ_WHATSAPP_ADDR=127.0.0.1:1", "FLOWHQ_LOG_LEVEL=loud", "FLOWHQ_LEASE_TTL=1h", "FLOWHQ_CLIENT_HEADER=a, b"))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, name := range []string{"DATABASE_URL", "LISTEN_ADDR", "FLOWHQ_SECRET", "FLOWHQ_CAPACITY", "FLOWHQ_TYPING_DELAY",
		"FLOWHQ_WHATSAPP_CA", "FLOWHQ_LOG_LEVEL", "FLOWHQ_LEASE_TTL", "FLOWHQ_CLIENT_HEADER"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named in:\n%v", name, err)
		}
	}
}

func TestConfig_PortListensOnAllAddressesUnlessListenAddrIsSet(t *testing.T) {
	if c, _ := LoadConfig(env("PORT=9000")); c.ListenAddr != ":9000" {
		t.Errorf("got %q", c.ListenAddr)
	}
	if c, _ := LoadConfig(env("PORT=9000", "LISTEN_ADDR=127.0.0.1:7000")); c.ListenAddr != "127.0.0.1:7000" {
		t.Errorf("got %q", c.ListenAddr)
	}
}

func TestConfig_TypingDelayOffSwitchesTheLoopGuardOffUnlessItIsSet(t *testing.T) {
	if c, _ := LoadConfig(env("FLOWHQ_TYPING_DELAY=off")); c.Worker.HumanPace || c.Worker.LoopGuard {
		t.Error("the guard stayed on")
	}
	if c, _ := LoadConfig(env("FLOWHQ_TYPING_DELAY=off", "FLOWHQ_LOOP_GUARD=on")); !c.Worker.LoopGuard {
		t.Error("the guard was switched off although it is set")
	}
}

func TestConfig_StartLogMasksSecrets(t *testing.T) {
	c, err := LoadConfig(env("DATABASE_URL=postgres://flow:hunter2@db:5432/flowhq?password=hunter2", "FLOWHQ_SECRET="+strings.Repeat("s3cr3t", 8),
		"FLOWHQ_METRICS_TOKEN=t0ken"))
	if err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprint(c.Lines()...)
	for _, secret := range []string{"hunter2", "s3cr3t", "t0ken"} {
		if strings.Contains(line, secret) {
			t.Errorf("%q is shown in %s", secret, line)
		}
	}
}

func TestConfig_SwitchesOfTheCrashTestsNeedTheSimulator(t *testing.T) {
	if _, err := LoadConfig(env("FLOWHQ_UNSAFE=no-mutex")); err == nil {
		t.Error("a guarantee was switched off on the real WhatsApp")
	}
	if _, err := LoadConfig(env("FLOWHQ_CRASH_AT=I2:1")); err == nil {
		t.Error("a crash point was set on the real WhatsApp")
	}
}
