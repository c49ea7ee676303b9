// Command demo tells what the provider does, with a real Terraform or OpenTofu against the test cluster: it applies
// examples/quickstart, shows what was made, changes a quota by hand, shows the plan that sees it, repairs it, and destroys
// everything. Each step is checked, and the exit code is 0 only when all were as told. `make demo` runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Variables that `testcluster run` sets.
const (
	kubeconfigVariable = "STOREPLATFORM_TEST_KUBECONFIG"
	dnsVariable        = "STOREPLATFORM_TEST_DNS"
)

func main() {
	cli := flag.String("cli", "", "Terraform or OpenTofu to run")
	provider := flag.String("provider", "", "directory of the provider's binary")
	example := flag.String("example", "examples/quickstart", "directory of the configuration to apply")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := demonstrate(ctx, *cli, *provider, *example)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func demonstrate(ctx context.Context, cli, provider, example string) error {
	begun := time.Now()
	kubeconfig := os.Getenv(kubeconfigVariable)
	if kubeconfig == "" {
		return errors.New("there is no test cluster: run me as `make demo`, or with `testcluster run --`")
	}
	cluster, err := connect(kubeconfig)
	if err != nil {
		return err
	}
	terraform, err := newTerraform(cli, provider, example, kubeconfig, os.Getenv(dnsVariable))
	if err != nil {
		return err
	}
	defer terraform.remove()

	say("The cluster is a real Kubernetes control plane on this machine: etcd, API server, controller manager and scheduler.",
		"Its only node is simulated: pods are admitted, scheduled and reported ready, but no container runs and no shop answers.",
		"DNS questions go to a name server on this machine. No packet leaves it.")

	story := []struct {
		title string
		tell  func(context.Context) error
	}{
		{"Plan " + example + ": one plan, a WooCommerce store, a Medusa store, a domain", terraform.planToMake},
		{"Apply", terraform.applyPlan},
		{"What is in the cluster now, and which field managers own it", cluster.showStores},
		{"Nothing changed, so nothing is planned", terraform.planNothing},
		{"Somebody raises the memory quota of store acme by hand, as `kubectl edit` does", cluster.raiseQuota},
		{"The next plan sees it", terraform.planToRepair},
		{"Apply again", terraform.applyPlan},
		{"The quota is back", cluster.showQuota},
		{"Nothing is planned", terraform.planNothing},
		{"Destroy everything", terraform.destroy},
		{"What is left in the cluster", cluster.showNothing},
	}
	for i, step := range story {
		fmt.Printf("\n=== %d/%d %s\n\n", i+1, len(story), step.title)
		start := time.Now()
		if err := step.tell(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.title, err)
		}
		fmt.Printf("\n    (%.1f s)\n", time.Since(start).Seconds())
	}
	fmt.Println()
	say(fmt.Sprintf("Done in %.0f s. Every step was checked.", time.Since(begun).Seconds()),
		"The Kubernetes API, the CLI, the provider and Helm were real. The node was simulated: no container ran.")
	return nil
}

func say(lines ...string) {
	for _, line := range lines {
		fmt.Println("    " + line)
	}
}

// terraform runs one configuration in a directory of its own.
type terraform struct {
	cli, dir string
	env      []string
}

func newTerraform(cli, provider, example, kubeconfig, dns string) (*terraform, error) {
	provider, err := filepath.Abs(provider)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "storeplatform-demo-")
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"storeplatform/storeplatform\" = %q\n  }\n  direct {}\n}\n", provider)
	files := filepath.Join(dir, "quickstart")
	settings := filepath.Join(dir, "cli.tfrc")
	if err := errors.Join(os.CopyFS(files, os.DirFS(example)), os.WriteFile(settings, []byte(config), 0o600)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &terraform{cli: cli, dir: files, env: append(os.Environ(),
		"TF_CLI_CONFIG_FILE="+settings,
		"TF_IN_AUTOMATION=1", // no hints about what to type next
		"CHECKPOINT_DISABLE=1",
		"STOREPLATFORM_DNS_SERVERS="+dns,
		"TF_VAR_config_path="+kubeconfig,
		"TF_VAR_deletion_protection=false",
		"TF_VAR_data_retention=delete",
	)}, nil
}

func (t *terraform) remove() { _ = os.RemoveAll(filepath.Dir(t.dir)) }

const planFile = "demo.tfplan"

func (t *terraform) planToMake(ctx context.Context) error {
	output, err := t.plan(ctx, changes)
	summarize(output)
	return err
}

// summarize prints what a plan would do, without the attributes.
func summarize(plan string) {
	for line := range strings.Lines(plan) {
		if strings.HasPrefix(line, "  # ") || strings.HasPrefix(line, "Plan:") {
			fmt.Print(line)
		}
	}
}

func (t *terraform) planToRepair(ctx context.Context) error {
	output, err := t.plan(ctx, changes)
	if err != nil {
		return err
	}
	fmt.Print(output)
	for _, want := range []string{"limits.memory", "64Gi", editor} {
		if !strings.Contains(output, want) {
			return fmt.Errorf("the plan does not mention %s", want)
		}
	}
	return nil
}

func (t *terraform) planNothing(ctx context.Context) error {
	output, err := t.plan(ctx, noChanges)
	if err != nil {
		return err
	}
	for line := range strings.Lines(output) {
		if strings.Contains(line, "No changes.") {
			fmt.Print(line)
		}
	}
	return nil
}

func (t *terraform) applyPlan(ctx context.Context) error {
	command := t.command(ctx, "apply", "-input=false", "-no-color", "-compact-warnings", planFile)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command.Run()
}

func (t *terraform) destroy(ctx context.Context) error {
	output, err := t.plan(ctx, changes, "-destroy")
	if err != nil {
		return err
	}
	summarize(output)
	fmt.Println()
	return t.applyPlan(ctx)
}

// What `plan -detailed-exitcode` exits with.
const (
	noChanges = 0
	changes   = 2
)

func (t *terraform) plan(ctx context.Context, want int, more ...string) (string, error) {
	args := append([]string{"plan", "-detailed-exitcode", "-input=false", "-no-color", "-compact-warnings", "-out=" + planFile}, more...)
	command := t.command(ctx, args...)
	output, err := command.CombinedOutput()
	if got := command.ProcessState.ExitCode(); got != want {
		return "", fmt.Errorf("%s plan -detailed-exitcode exited with %d instead of %d (%w)\n%s", filepath.Base(t.cli), got, want, errors.Join(err, ctx.Err()), output)
	}
	return string(output), nil
}

func (t *terraform) command(ctx context.Context, args ...string) *exec.Cmd {
	fmt.Printf("    $ %s %s\n\n", filepath.Base(t.cli), strings.Join(args, " "))
	command := exec.CommandContext(ctx, t.cli, args...)
	command.Dir, command.Env = t.dir, t.env
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 20 * time.Second
	return command
}
