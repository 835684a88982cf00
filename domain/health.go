package domain

// Health is the state of a tenant in the words that people read; it is
// derived from status, session and worker.
type Health string

const (
	HealthNew         Health = "new"         // not started
	HealthStarting    Health = "starting"    // started, no code and no connection yet
	HealthScan        Health = "scan"        // a code waits to be scanned
	HealthPasskey     Health = "passkey"     // WhatsApp asks for a passkey on the phone
	HealthLinking     Health = "linking"     // scanned, not connected yet
	HealthActive      Health = "active"      // connected
	HealthUnsure      Health = "unsure"      // connected, but WhatsApp does not answer
	HealthRetrying    Health = "retrying"    // the connection was lost and comes back by itself
	HealthUnreachable Health = "unreachable" // the same, but no replica could connect it while others connect
	HealthUnreadable  Health = "unreadable"  // no replica could read its stored settings
	HealthPaused      Health = "paused"      // stopped by a person
	HealthExpired     Health = "expired"     // nobody scanned in time
	HealthLoggedOut   Health = "logged_out"  // unlinked on the phone
	HealthBanned      Health = "banned"      // blocked by WhatsApp
	HealthRestricted  Health = "restricted"  // connected, but new chats are refused
	HealthReplaced    Health = "replaced"    // another system uses the device
	HealthOutdated    Health = "outdated"    // WhatsApp refuses this version
	HealthPairFailed  Health = "pair_failed" // linking did not finish
	HealthError       Health = "error"       // anything else that needs somebody
)

// Healths lists every health, for tests and documentation.
func Healths() []Health {
	return []Health{HealthNew, HealthStarting, HealthScan, HealthPasskey, HealthLinking, HealthActive, HealthUnsure, HealthRetrying, HealthUnreachable, HealthUnreadable, HealthPaused, HealthExpired,
		HealthLoggedOut, HealthBanned, HealthRestricted, HealthReplaced, HealthOutdated, HealthPairFailed, HealthError}
}

var healthOfReason = map[Reason]Health{
	ReasonLoggedOut: HealthLoggedOut, ReasonBanned: HealthBanned, ReasonReplaced: HealthReplaced, ReasonOutdated: HealthOutdated,
	ReasonPairTimeout: HealthPairFailed, ReasonPairFailed: HealthPairFailed, ReasonQRExpired: HealthExpired,
}

// Health returns the state in which people see the tenant.
func (v TenantView) Health() Health {
	switch v.Status {
	case TenantError:
		if h, ok := healthOfReason[v.Session.Reason]; ok {
			return h
		}
		return HealthError
	case TenantQRPending:
		return v.pending()
	case TenantActive:
		return v.active()
	}
	if v.Session.Reason == ReasonQRExpired {
		return HealthExpired
	}
	if v.Status == TenantPaused {
		return HealthPaused
	}
	return HealthNew
}

func (v TenantView) pending() Health {
	switch {
	case v.Session.Reason == ReasonPasskey:
		return HealthPasskey
	case v.Session.State == SessionQRReady:
		return HealthScan
	case v.Session.PairingSince != nil:
		return HealthLinking
	case v.Session.Reason != ReasonNone:
		return v.lost()
	}
	return HealthStarting
}

func (v TenantView) active() Health {
	switch {
	case v.Session.State == SessionConnected && v.Session.Reason == ReasonRestricted:
		return HealthRestricted
	case v.Session.State == SessionConnected && v.Session.Reason == ReasonSilent:
		return HealthUnsure
	case v.Session.State == SessionConnected:
		return HealthActive
	}
	return v.lost()
}

// lost is the health of a tenant whose connection is tried again.
func (v TenantView) lost() Health {
	switch v.Session.Reason {
	case ReasonUnreachable:
		return HealthUnreachable
	case ReasonUnreadable:
		return HealthUnreadable
	}
	return HealthRetrying
}

// Tone is the colour of a health: "good", "wait", "bad" or "off".
func (h Health) Tone() string {
	switch h {
	case HealthActive:
		return "good"
	case HealthNew, HealthPaused:
		return "off"
	case HealthStarting, HealthScan, HealthPasskey, HealthLinking, HealthUnsure, HealthRetrying, HealthUnreachable, HealthExpired:
		return "wait"
	}
	return "bad"
}

// Settled reports whether nothing is about to change by itself within seconds.
func (h Health) Settled() bool {
	switch h {
	case HealthStarting, HealthScan, HealthPasskey, HealthLinking, HealthUnsure, HealthRetrying:
		return false
	}
	return true
}
