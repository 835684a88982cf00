package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"unsafe"
)

// dieWithUs ends the process when the test binary is killed.
func dieWithUs(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// Scheduling policies, see sched(7).
const (
	schedOther = 0
	schedIdle  = 5
)

// onAnotherMachine leaves the CPUs to the replicas until the test ends: this process is
// WhatsApp and all phones, which are on other machines. What it has started
// before keeps its share.
func onAnotherMachine(t *testing.T) {
	t.Helper()
	if err := schedule(schedIdle); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := schedule(schedOther); err != nil {
			t.Error(err)
		}
	})
}

// schedule sets the policy of every thread; those that follow inherit it.
func schedule(policy int) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			return err
		}
		var priority int32
		_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETSCHEDULER, uintptr(id), uintptr(policy), uintptr(unsafe.Pointer(&priority)))
		if errno != 0 && errno != syscall.ESRCH {
			return fmt.Errorf("set the scheduling policy of thread %d: %w", id, errno)
		}
	}
	return nil
}
