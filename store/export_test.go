package store

// SweepStatement is what deletes old keys on Postgres.
func SweepStatement() string { return agedSeen.deletePages() }
