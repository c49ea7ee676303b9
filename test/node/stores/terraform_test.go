package stores_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// terraform runs one configuration in a directory of its own.
type terraform struct {
	dir string
	env []string
}

// newTerraform copies a configuration of testdata and points it at the cluster. Variables are name=value.
func newTerraform(t *testing.T, configuration string, variables ...string) *terraform {
	t.Helper()
	dir := t.TempDir()
	files, err := fs.Sub(testdata, "testdata/"+configuration)
	if err != nil {
		t.Fatalf("Find configuration %s: %v", configuration, err)
	}
	if err := os.CopyFS(filepath.Join(dir, "stack"), files); err != nil {
		t.Fatalf("Copy configuration %s: %v", configuration, err)
	}
	settings := filepath.Join(dir, "cli.tfrc")
	content := fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"storeplatform/storeplatform\" = %q\n  }\n  direct {}\n}\n", *provider)
	if err := os.WriteFile(settings, []byte(content), 0o600); err != nil {
		t.Fatalf("Write settings of Terraform: %v", err)
	}
	env := append(os.Environ(),
		"TF_CLI_CONFIG_FILE="+settings,
		"TF_IN_AUTOMATION=1",
		"CHECKPOINT_DISABLE=1",
		"STOREPLATFORM_DNS_SERVERS="+os.Getenv(dnsVariable),
		"KUBE_CONFIG_PATH="+os.Getenv(kubeconfigVariable),
	)
	for _, one := range variables {
		env = append(env, "TF_VAR_"+one)
	}
	return &terraform{dir: filepath.Join(dir, "stack"), env: env}
}

// What Terraform ends with; changes is for `plan -detailed-exitcode`.
const (
	noChanges = 0
	failed    = 1
	changes   = 2
)

// apply brings the cluster to the configuration and returns how long it took.
func (tf *terraform) apply(t *testing.T, arguments ...string) time.Duration {
	t.Helper()
	begun := time.Now()
	tf.run(t, noChanges, append([]string{"apply", "-auto-approve"}, arguments...)...)
	return time.Since(begun)
}

// planNothing fails the test when a plan would change anything.
func (tf *terraform) planNothing(t *testing.T) {
	t.Helper()
	tf.run(t, noChanges, "plan", "-detailed-exitcode")
}

// destroy removes everything and returns how long it took.
func (tf *terraform) destroy(t *testing.T) time.Duration {
	t.Helper()
	begun := time.Now()
	tf.run(t, noChanges, "destroy", "-auto-approve")
	return time.Since(begun)
}

// run returns what Terraform said, when it ended with the code that was wanted.
func (tf *terraform) run(t *testing.T, want int, arguments ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), *cli, append(arguments, "-input=false", "-no-color", "-compact-warnings")...)
	command.Dir, command.Env = tf.dir, tf.env
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 20 * time.Second
	output, err := command.CombinedOutput()
	if got := command.ProcessState.ExitCode(); got != want {
		t.Fatalf("terraform %s ended with code %d instead of %d (%v):\n%s", strings.Join(arguments, " "), got, want, err, output)
	}
	return string(output)
}
