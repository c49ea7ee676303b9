// Command bench measures what a plan costs when nothing changed, with a real Terraform or OpenTofu and the real provider against
// the test cluster: requests, writes, time, CPU and heap. It makes the stores itself, and measures beside them
//
//   - a provider that does nothing with as many resources: the CLI's own share;
//   - the same objects managed with hashicorp/kubernetes and hashicorp/helm, where those are installed.
//
// It prints Markdown tables and fails when a budget of requests or writes is broken. Time and heap depend on the machine: it says
// when they are over. `make bench` runs it. The cluster is thrown away with what it holds.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/provider"
)

const (
	kubeconfigVariable = "STOREPLATFORM_TEST_KUBECONFIG" // set by `testcluster run`
	providersVariable  = "STOREPLATFORM_BENCH_PROVIDERS" // directory of hashicorp/kubernetes and hashicorp/helm
	profileVariable    = "STOREPLATFORM_BENCH_CPUPROFILE"
)

// settings are what the command line says.
type settings struct {
	cli, provider string
	stores        []int
	usualStores   int
	plans         int
	json, profile string
}

func main() {
	if strings.HasPrefix(filepath.Base(os.Args[0]), "terraform-provider-") {
		if err := profiled(os.Getenv(profileVariable), serve); err != nil {
			log.Fatal(err)
		}
		return
	}
	s := settings{stores: []int{200, 1000}}
	flag.StringVar(&s.cli, "cli", "terraform", "Terraform or OpenTofu to run")
	flag.StringVar(&s.provider, "provider", "bin", "directory of the provider's binary")
	flag.Func("stores", "numbers of stores to plan, with commas between them (default 200,1000)", func(text string) (err error) {
		s.stores, err = numbers(text)
		return err
	})
	flag.IntVar(&s.usualStores, "usual-stores", 50, "number of stores to manage with hashicorp/kubernetes and hashicorp/helm, if they are installed")
	flag.IntVar(&s.plans, "plans", 3, "plans to run at each number of stores; the tables show medians")
	flag.StringVar(&s.json, "json", "", "file that receives everything that was measured")
	flag.StringVar(&s.profile, "cpuprofile", "", "file that receives a CPU profile of the provider at the plan that took it longest; this program then serves the provider itself")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := s.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func numbers(text string) ([]int, error) {
	var all []int
	for one := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(one)
		if err != nil || n < 1 || n > 5000 {
			return nil, fmt.Errorf("%q is not a number from 1 to 5000", one)
		}
		all = append(all, n)
	}
	return all, nil
}

func (s settings) run(ctx context.Context) (err error) {
	kubeconfig := os.Getenv(kubeconfigVariable)
	if kubeconfig == "" {
		return errors.New("there is no test cluster: run me as `make bench`, or with `testcluster run --`")
	}
	if s.plans < 1 || s.usualStores < 1 {
		return errors.New("-plans and -usual-stores must be at least 1")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if s.cli, err = exec.LookPath(s.cli); err != nil {
		return err
	}
	if s.cli, err = filepath.Abs(s.cli); err != nil {
		return err
	}
	program, err := filepath.Abs(filepath.Join(s.provider, "terraform-provider-storeplatform"))
	if err != nil {
		return err
	}
	if s.profile != "" {
		if s.profile, err = filepath.Abs(s.profile); err != nil {
			return err
		}
		program = self
	}
	cluster, err := connect(kubeconfig)
	if err != nil {
		return err
	}
	if err := cluster.makeRoom(ctx); err != nil {
		return err
	}
	recorder, err := startRecorder(cluster.config)
	if err != nil {
		return err
	}
	defer recorder.server.Close()
	dir, err := os.MkdirTemp("", "storeplatform-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	recorded := filepath.Join(dir, "kubeconfig")
	if err := recorder.writeKubeconfig(recorded); err != nil {
		return err
	}
	programs := filepath.Dir(self)
	b := &bench{
		cli: s.cli, meter: filepath.Join(programs, "bench-meter"), dir: dir, plans: s.plans, profile: s.profile, cluster: cluster, recorder: recorder,
	}

	glued, skipped, err := s.measureUsual(ctx, b, recorded)
	if err != nil {
		return err
	}
	results, err := b.measure(ctx, stores(program, recorded), s.stores...)
	if err != nil {
		return err
	}
	var floors []result
	for _, r := range results {
		floor, err := b.measure(ctx, texts(filepath.Join(programs, "bench-nothing"), r.State/int64(r.Things)), r.Things)
		if err != nil {
			return err
		}
		floors = append(floors, floor...)
	}
	if s.profile != "" {
		if err := keepLargestProfile(s.profile); err != nil {
			return err
		}
	}
	report := report{Machine: machine(ctx, b), Stores: results, Floors: floors, Usual: glued, Skipped: skipped}
	if s.json != "" {
		data, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(s.json, data, 0o644); err != nil {
			return err
		}
	}
	fmt.Print(report)
	return report.broken()
}

// measureUsual measures the same objects managed with hashicorp/kubernetes and hashicorp/helm, or says why not. It comes first and
// leaves nothing: what it makes would be in the lists of our provider.
func (s settings) measureUsual(ctx context.Context, b *bench, kubeconfig string) (results []result, skipped string, err error) {
	dir := os.Getenv(providersVariable)
	kubernetes, found := installed("kubernetes", dir)
	helm, both := installed("helm", dir)
	if !found || !both {
		skipped = "hashicorp/kubernetes and hashicorp/helm are not installed: not measured. " + providersVariable + " can name a directory with both programs."
		say("%s", skipped)
		return nil, skipped, nil
	}
	subject, err := usual(kubernetes, helm, kubeconfig)
	if err != nil {
		return nil, "", err
	}
	results, err = b.measure(ctx, subject, s.usualStores)
	if err != nil { // of programs that are not ours: no reason not to measure ours
		skipped = fmt.Sprintf("%s could not be measured.", subject.name)
		say("%s %v", skipped, err)
	}
	say("%s: removing the stores", subject.name)
	return results, skipped, b.cluster.removeFleet(ctx, usualFleet)
}

// serve is what the provider's own binary does.
func serve() error {
	for _, name := range []string{"TF_LOG_SDK", "TF_LOG_SDK_FRAMEWORK", "TF_LOG_SDK_PROTO"} {
		if err := os.Setenv(name, "off"); err != nil {
			return err
		}
	}
	return tf6server.Serve("registry.terraform.io/storeplatform/storeplatform", provider.Server("bench"))
}
