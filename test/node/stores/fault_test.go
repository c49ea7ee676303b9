package stores_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// recoveryTimeout is how long a store may take to come back by itself.
const recoveryTimeout = 3 * time.Minute

// eventually tries until it works and returns how long that took.
func eventually(t *testing.T, what string, try func(ctx context.Context) error) time.Duration {
	t.Helper()
	begun := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), recoveryTimeout)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return time.Since(begun)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %s: %v", what, recoveryTimeout, err)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// podOf returns the one pod of a component.
func podOf(ctx context.Context, client kubernetes.Interface, namespace, component string) (*corev1.Pod, error) {
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=" + component})
	if err != nil {
		return nil, err
	}
	if len(pods.Items) != 1 {
		return nil, fmt.Errorf("there are %d pods of %s instead of 1", len(pods.Items), component)
	}
	return &pods.Items[0], nil
}

// killProcesses kills every process of a component's pod, as the kernel does when memory is out.
func killProcesses(t *testing.T, client kubernetes.Interface, namespace, component string) {
	t.Helper()
	pod, err := podOf(t.Context(), client, namespace, component)
	if err != nil {
		t.Fatalf("Find the pod to kill: %v", err)
	}
	ids := map[string]bool{}
	for _, status := range pod.Status.ContainerStatuses {
		ids[containerID(status)] = true
	}
	kill(t, "pod "+pod.Name, func(process string) bool {
		id, _ := containerOf(process)
		return ids[id]
	})
}

// killKubelet kills the node's kubelet, which the node starts again.
func killKubelet(t *testing.T) {
	t.Helper()
	kill(t, "the kubelet", func(process string) bool {
		name, err := os.ReadFile(process + "/comm")
		return err == nil && strings.TrimSpace(string(name)) == "kubelet"
	})
}

func kill(t *testing.T, what string, chosen func(process string) bool) {
	t.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatalf("List processes: %v", err)
	}
	killed := 0
	for _, process := range processes {
		if !chosen(process) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(process))
		if err != nil {
			t.Fatalf("Read the number of process %s: %v", process, err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatalf("Kill %s: %v", what, err)
		}
		killed++
	}
	if killed == 0 {
		t.Fatalf("Found no process of %s to kill", what)
	}
}

// restartsOf counts how often the containers of a component's pod were started again.
func restartsOf(t *testing.T, client kubernetes.Interface, namespace, component string) int32 {
	t.Helper()
	pod, err := podOf(t.Context(), client, namespace, component)
	if err != nil {
		t.Fatalf("Count restarts: %v", err)
	}
	var sum int32
	for _, status := range pod.Status.ContainerStatuses {
		sum += status.RestartCount
	}
	return sum
}

// scaleDatabase sets the number of database pods, as somebody does who looks after it.
func scaleDatabase(t *testing.T, client kubernetes.Interface, namespace string, replicas int) {
	t.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	_, err := client.AppsV1().StatefulSets(namespace).Patch(t.Context(), "database", types.MergePatchType, patch, metav1.PatchOptions{}, "scale")
	if err != nil {
		t.Fatalf("Scale the database: %v", err)
	}
}

// outage is longer than the chart's liveness probes need to restart a container: three failures, 20 s apart.
const outage = 75 * time.Second

// waitWithoutDatabase returns when a component has been unready for the length of an outage.
func waitWithoutDatabase(t *testing.T, client kubernetes.Interface, namespace, component string) {
	t.Helper()
	eventually(t, "Outage of the database", func(ctx context.Context) error {
		pod, err := podOf(ctx, client, namespace, component)
		if err != nil {
			return err
		}
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionFalse && time.Since(condition.LastTransitionTime.Time) > outage {
				return nil
			}
		}
		return fmt.Errorf("pod %s has not been unready for %s", pod.Name, outage)
	})
}

// podIsReady says why the pod of a component is not ready.
func podIsReady(ctx context.Context, client kubernetes.Interface, namespace, component string) error {
	pod, err := podOf(ctx, client, namespace, component)
	if err != nil {
		return err
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
			return nil
		}
	}
	return fmt.Errorf("pod %s is not ready", pod.Name)
}

// must runs a subtest without which those that follow say nothing.
func must(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	if !t.Run(name, test) {
		t.FailNow()
	}
}
