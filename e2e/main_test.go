package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
)

// abreast is how many tests run at once unless the command line says otherwise:
// they wait more than they work.
const abreast = "5"

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = f.Value.Set(abreast)
	}
	code := m.Run()
	closeChromium()
	_ = os.RemoveAll(buildDir())
	os.Exit(code)
}

var buildDir = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "flowhq-e2e-")
	if err != nil {
		panic(err)
	}
	return dir
})

// binary is the program under test, built once for the run.
var binary = sync.OnceValues(func() (string, error) {
	if given := os.Getenv("FLOWHQ_BINARY"); given != "" {
		return filepath.Abs(given)
	}
	file := filepath.Join(buildDir(), "flowhq")
	build := exec.Command("go", "build", "-p", "2", "-o", file, "flowhq")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return file, nil
})
