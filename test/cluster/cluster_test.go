package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	watchtools "k8s.io/client-go/tools/watch"
)

// asProgramVariable makes the test binary behave as the program, so that the tests run what they were compiled with.
const asProgramVariable = "TESTCLUSTER_TEST_AS_PROGRAM"

// conditionTimeout is how long a test waits for anything.
const conditionTimeout = time.Minute

func TestMain(m *testing.M) {
	if run, found := componentNamed(os.Args[0]); found {
		os.Exit(run(os.Args))
	}
	if os.Getenv(asProgramVariable) != "" {
		if err := command(os.Args[1:], os.Stdout, os.Stderr); err != nil {
			os.Exit(exitCode(err, os.Stderr))
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// program is a started testcluster.
type program struct {
	ready
	cmd      *exec.Cmd
	lifeline interface{ Close() error }
	client   *kubernetes.Clientset
	config   *rest.Config
}

// startProgram boots a cluster of its own. The caller ends it.
func startProgram(args ...string) (*program, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &program{cmd: exec.Command(self, append([]string{"up", "--stdin-lifeline"}, args...)...)}
	p.cmd.Env = append(os.Environ(), asProgramVariable+"=1")
	p.cmd.Stderr = os.Stderr
	if p.lifeline, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("read ready line: %w", err)
	}
	if err := json.Unmarshal(line, &p.ready); err != nil {
		return nil, err
	}
	if p.config, err = clientcmd.BuildConfigFromFlags("", p.Kubeconfig); err != nil {
		return nil, err
	}
	p.config.QPS = -1
	p.client, err = kubernetes.NewForConfig(p.config)
	return p, err
}

// dir is the cluster's temporary directory.
func (p *program) dir() string { return filepath.Dir(p.Kubeconfig) }

// shared is the cluster of the tests that only use one. It ends with the test process.
var shared = sync.OnceValues(func() (*program, error) { return startProgram() })

// sharedCluster returns the cluster that most tests share.
func sharedCluster(t *testing.T) *program {
	t.Helper()
	p, err := shared()
	if err != nil {
		t.Fatalf("Boot the test cluster: %v", err)
	}
	return p
}

// namespace makes a namespace for one test.
func (p *program) namespace(t *testing.T, annotations map[string]string) string {
	t.Helper()
	namespace, err := p.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "t-", Annotations: annotations},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("Create namespace: %v", err)
	}
	t.Cleanup(func() {
		if err := p.client.CoreV1().Namespaces().Delete(context.Background(), namespace.Name, metav1.DeleteOptions{}); err != nil {
			t.Errorf("Delete namespace: %v", err)
		}
	})
	return namespace.Name
}

// eventually watches the objects of a kind in a namespace until the condition holds for one of them, and returns it.
func eventually[T runtime.Object](t *testing.T, client cache.Getter, resource, namespace, selector string, kind T, holds func(T) bool) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), conditionTimeout)
	defer cancel()
	var last T
	list := cache.NewFilteredListWatchFromClient(client, resource, namespace, func(o *metav1.ListOptions) { o.LabelSelector = selector })
	_, err := watchtools.UntilWithSync(ctx, list, kind, nil, func(event watch.Event) (bool, error) {
		object, ok := event.Object.(T)
		if !ok || event.Type == watch.Deleted {
			return false, nil
		}
		last = object
		return holds(object), nil
	})
	if err != nil {
		data, jsonErr := json.MarshalIndent(last, "", "  ")
		t.Fatalf("No %s in namespace %s became as it should: %v; the last one seen (%v):\n%s", resource, namespace, err, jsonErr, data)
	}
	return last
}

// untilGone watches a cluster-wide object until it does not exist.
func untilGone(t *testing.T, client cache.Getter, resource, name string, kind runtime.Object) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), conditionTimeout)
	defer cancel()
	list := cache.NewListWatchFromClient(client, resource, "", fields.OneTermEqualSelector(metav1.ObjectNameField, name))
	none := func(store cache.Store) (bool, error) { return len(store.List()) == 0, nil }
	_, err := watchtools.UntilWithSync(ctx, list, kind, none, func(event watch.Event) (bool, error) {
		return event.Type == watch.Deleted, nil
	})
	if err != nil {
		t.Fatalf("%s %s is still there: %v", resource, name, err)
	}
}
