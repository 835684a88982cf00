package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"flowhq/domain"
)

// Lock makes this process the only one that serves tenants from a SQLite file,
// until Close: on SQLite there is no other fence. A second process gets
// KindConflict. Commands that only read or write a row need no lock. On
// Postgres it does nothing, there the leases decide.
func (s *Store) Lock() error {
	if s.dialect == postgres {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock != nil {
		return nil
	}
	name := s.path + ".lock"
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return domain.Errorf(domain.KindUnavailable, "the lock file %s cannot be opened: %w", name, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return domain.Errorf(domain.KindConflict, "%s is in use%s: stop that process first, "+
				"or use Postgres to run several (the lock is %s)", s.path, holder(f), name)
		}
		return fmt.Errorf("lock %s: %w", name, err)
	}
	if err := errors.Join(f.Truncate(0), writePID(f)); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), f.Close())
	}
	s.lock = f
	return nil
}

func writePID(f *os.File) error {
	_, err := fmt.Fprintf(f, "%d\n", os.Getpid())
	return err
}

func holder(f *os.File) string {
	pid, err := io.ReadAll(io.LimitReader(f, 20))
	if err != nil || len(pid) == 0 {
		return ""
	}
	return " by process " + strings.TrimSpace(string(pid))
}

// unlock closes the lock file, which releases the lock; the file stays, so that
// no two processes ever lock different files of one name.
func (s *Store) unlock() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock == nil {
		return nil
	}
	f := s.lock
	s.lock = nil
	return f.Close()
}
