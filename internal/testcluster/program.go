package testcluster

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// buildFlags are those of the package comment of test/cluster: an API server without a version cannot be read by Helm.
const buildFlags = "-s -w" +
	" -X k8s.io/component-base/version.gitVersion=v1.37.2" +
	" -X k8s.io/component-base/version.gitMajor=1" +
	" -X k8s.io/component-base/version.gitMinor=37"

// readyLine is what the program prints once its cluster is ready.
type readyLine struct {
	Kubeconfig string `json:"kubeconfig"`
	DNS        string `json:"dns"`

	// lifeline is the write end of the program's standard input. When it closes, at the latest with this process, in whatever way
	// that ends, the program stops the cluster and removes its directory. Until then it takes orders, and confirms them.
	lifeline  io.WriteCloser
	confirmed *bufio.Reader
	exited    func() error // waits for the program
}

// launch starts the program and returns when its cluster is ready.
func launch() (readyLine, error) {
	program, err := findProgram()
	if err != nil {
		return readyLine{}, err
	}
	command := exec.Command(program, "up", "--stdin-lifeline")
	stdin, err := command.StdinPipe()
	if err != nil {
		return readyLine{}, fmt.Errorf("open lifeline: %w", err)
	}
	progress := &lockedBuffer{}
	command.Stderr = progress
	stdout, err := command.StdoutPipe()
	if err != nil {
		return readyLine{}, fmt.Errorf("open standard output: %w", err)
	}
	if err := command.Start(); err != nil {
		return readyLine{}, fmt.Errorf("start %s: %w", program, err)
	}
	confirmed := bufio.NewReader(stdout)
	line, err := confirmed.ReadBytes('\n')
	if err != nil {
		// Standard output ends with the program.
		return readyLine{}, fmt.Errorf("%s is not ready: %w\n%s", program, errors.Join(err, command.Wait()), progress)
	}
	var ready readyLine
	if err := json.Unmarshal(line, &ready); err != nil {
		return readyLine{}, fmt.Errorf("read ready line of %s: %w", program, err)
	}
	ready.lifeline, ready.confirmed, ready.exited = stdin, confirmed, command.Wait
	return ready, nil
}

// stop ends the program, and its cluster with it.
func (r readyLine) stop() error { return errors.Join(r.lifeline.Close(), r.exited()) }

// findProgram returns the path of the testcluster program.
func findProgram() (string, error) {
	if program := os.Getenv(ProgramVariable); program != "" {
		return program, nil
	}
	root, err := repositoryRoot()
	if err != nil {
		return "", err
	}
	program := filepath.Join(root, "bin", "testcluster")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("look for the testcluster program: %w", err)
	}
	return program, build(root, program)
}

// build compiles the program. From nothing that takes minutes, longer than tests usually may; `make` does it before them.
func build(root, program string) error {
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		return fmt.Errorf("create directory of programs: %w", err)
	}
	// A name of its own, because test processes of other packages may be building too.
	partial := fmt.Sprintf("%s.%d", program, os.Getpid())
	command := exec.Command("go", "-C", filepath.Join(root, "test", "cluster"), "build", "-trimpath", "-ldflags", buildFlags, "-o", partial, ".")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build the testcluster program: %w\n%s", err, bytes.TrimSpace(output))
	}
	if err := os.Rename(partial, program); err != nil {
		return fmt.Errorf("put the testcluster program in place: %w", err)
	}
	return nil
}

// repositoryRoot finds the repository from the package directory that a test runs in.
func repositoryRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "test", "cluster", "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find the repository: no test/cluster above %s; set %s to a testcluster program", start, ProgramVariable)
		}
	}
}

// lockedBuffer keeps what the program says, for the case that it fails.
type lockedBuffer struct {
	mutex sync.Mutex
	text  strings.Builder
}

// Write keeps a piece of output.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.Write(p)
}

// String returns what has been written so far.
func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.String()
}
