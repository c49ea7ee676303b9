package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kwokconfig "sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	kwoklog "sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"

	_ "time/tzdata" // CronJob.spec.timeZone on machines without a time zone database
)

// The names under which the program runs as a component. They are the argv[0] of the child processes rather than an
// argument, because client-go names a client, and with it the field manager of everything it writes, after argv[0].
const (
	etcdComponent              = "etcd"
	apiServerComponent         = "kube-apiserver"
	controllerManagerComponent = "kube-controller-manager"
	schedulerComponent         = "kube-scheduler"
	kwokComponent              = "kwok"
)

// componentNamed returns the main function of the component that a program name stands for.
func componentNamed(argv0 string) (func(args []string) int, bool) {
	switch filepath.Base(argv0) {
	case etcdComponent:
		return runEtcd, true
	case apiServerComponent:
		return kubernetesMain(apiserver.NewAPIServerCommand), true
	case controllerManagerComponent:
		return kubernetesMain(controllermanager.NewControllerManagerCommand), true
	case schedulerComponent:
		return kubernetesMain(func() *cobra.Command { return scheduler.NewSchedulerCommand() }), true
	case kwokComponent:
		return runKwok, true
	}
	return nil, false
}

// runEtcd runs etcd, which ends the process itself when it fails.
func runEtcd(args []string) int {
	etcdmain.Main(args)
	return 0
}

// kubernetesMain is the main function every Kubernetes program has.
func kubernetesMain(newCommand func() *cobra.Command) func([]string) int {
	return func([]string) int { return cli.Run(newCommand()) }
}

// runKwok does what kwok's own main function does. Its global flags are parsed from os.Args while they are declared, so
// that they must be added to the command afterwards.
func runKwok([]string) int {
	global := pflag.NewFlagSet("global", pflag.ContinueOnError)
	global.ParseErrorsAllowlist.UnknownFlags = true
	global.Usage = func() {}

	var ctx context.Context = signals.SetupSignalContext()
	ctx, _ = kwoklog.InitFlags(ctx, global)
	ctx, err := kwokconfig.InitFlags(ctx, global)
	if err != nil {
		fmt.Fprintln(os.Stderr, "kwok: load configuration:", err)
		return 1
	}
	command := kwok.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(global)
	// The Kubernetes packages linked beside kwok have declared a --version of another type, which cobra would trip over.
	command.Version = ""
	if err := command.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "kwok:", err)
		return 1
	}
	return 0
}
