package e2e

import (
	"os/exec"
	"syscall"
)

// dieWithUs ends the process when the test binary is killed.
func dieWithUs(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
