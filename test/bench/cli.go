package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/storeplatform/terraform-provider-storeplatform/test/bench/plugin"
)

// workspace is one configuration in a directory of its own, with providers that are metered.
type workspace struct {
	cli   string
	dir   string
	env   []string
	meter string // directory of the metered providers
}

// usage is what one command used.
type usage struct {
	Wall      time.Duration `json:"wall"`
	CLI       time.Duration `json:"cli_cpu"` // without the providers
	Providers time.Duration `json:"provider_cpu"`
	Lifetime  time.Duration `json:"provider_lifetime"` // of the process that took longest
	Processes int           `json:"provider_processes"`
	RSS       int64         `json:"provider_rss"`
	Heap      plugin.Heap   `json:"provider_heap"`
}

// newWorkspace prepares a directory.
func newWorkspace(dir, cli, meter string, s subject) (*workspace, error) {
	w := &workspace{cli: cli, dir: dir, meter: filepath.Join(dir, "plugins")}
	var errs []error
	for _, one := range []string{plugin.Real, plugin.Runs} {
		errs = append(errs, os.MkdirAll(filepath.Join(w.meter, one), 0o755))
	}
	overrides := new(strings.Builder)
	for _, source := range slices.Sorted(maps.Keys(s.providers)) {
		name := "terraform-provider-" + filepath.Base(source)
		errs = append(errs,
			os.Symlink(meter, filepath.Join(w.meter, name)),
			os.Symlink(s.providers[source], filepath.Join(w.meter, plugin.Real, name)))
		fmt.Fprintf(overrides, "    %q = %q\n", source, w.meter)
	}
	settings := filepath.Join(dir, "cli.tfrc")
	errs = append(errs, os.WriteFile(settings, []byte("provider_installation {\n  dev_overrides {\n"+overrides.String()+"  }\n  direct {}\n}\n"), 0o600))
	for name, content := range s.files {
		path := filepath.Join(dir, name)
		errs = append(errs, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o600))
	}
	w.env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+settings, "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1")
	return w, errors.Join(errs...)
}

// run runs one command of the CLI. It must exit with 0.
func (w *workspace) run(ctx context.Context, env []string, args ...string) (usage, error) {
	command := exec.CommandContext(ctx, w.cli, args...)
	command.Dir, command.Env = w.dir, slices.Concat(w.env, env)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 20 * time.Second
	output := new(bytes.Buffer)
	command.Stdout, command.Stderr = output, output
	started := time.Now()
	err := command.Run()
	u := usage{Wall: time.Since(started)}
	if err != nil {
		return u, fmt.Errorf("%s %s: %w\n%s", filepath.Base(w.cli), strings.Join(args, " "), err, tail(output.String()))
	}
	runs, err := plugin.Take(filepath.Join(w.meter, plugin.Runs))
	if err != nil {
		return u, fmt.Errorf("read what the meter wrote: %w", err)
	}
	if len(runs) == 0 {
		return u, errors.New("the meter wrote nothing: the CLI did not end the provider in time")
	}
	for _, run := range runs {
		u.Providers += run.CPU
		u.Lifetime = max(u.Lifetime, run.Lifetime)
		u.RSS = max(u.RSS, run.RSS)
		u.Heap.Live, u.Heap.Peak = max(u.Heap.Live, run.Heap.Live), max(u.Heap.Peak, run.Heap.Peak)
	}
	u.Processes = len(runs)
	// The kernel counts children that were waited for.
	u.CLI = command.ProcessState.UserTime() + command.ProcessState.SystemTime() - u.Providers
	return u, nil
}

// tail is the end of an output, where errors are.
func tail(output string) string {
	const length = 4000
	return output[max(0, len(output)-length):]
}

// stateSize is the size of the state file in bytes.
func (w *workspace) stateSize() (int64, error) {
	info, err := os.Stat(filepath.Join(w.dir, "terraform.tfstate"))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
