// Package e2e tests the real binary from outside: it starts it as a process,
// speaks to it over HTTP like any integration, and plays WhatsApp and all the
// phones with the simulator. Tables are read only to judge what happened.
//
// Environment:
//
//	FLOWHQ_BINARY         the program to test; built from this module when unset.
//	                      With one built with -race a race fails its test
//	FLOWHQ_TEST_POSTGRES  address of a role that may create databases; without it
//	                      the Postgres half of every test is skipped, loudly
//	FLOWHQ_CHAOS=full     crash and flood tests at full size; their results are
//	                      added to bench/results
//	FLOWHQ_CHAOS_SEED     seed of the crash tests; 1 when unset
//	FLOWHQ_E2E_LOGS       folder that keeps the log of every process started
package e2e
