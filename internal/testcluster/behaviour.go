package testcluster

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
)

// Behaviour is how the pods of a namespace fail. An image whose reference contains "/" and a behaviour, such as
// "example.com/never-pull:1", makes just its containers fail, without any call.
type Behaviour string

// The behaviours of pods.
const (
	// Healthy lets pods become ready and Jobs complete, also those that failed before.
	Healthy Behaviour = ""
	// NeverPull keeps pods Pending with containers waiting for ImagePullBackOff. Running pods go on running.
	NeverPull Behaviour = "never-pull"
	// CrashLoop makes containers exit with 1 over and over.
	CrashLoop Behaviour = "crash-loop"
	// OutOfMemory makes containers end OOMKilled over and over.
	OutOfMemory Behaviour = "oom"
	// JobFails makes the pods of Jobs exit with 1 and leaves all others alone.
	JobFails Behaviour = "job-fails"
	// Unschedulable makes new pods fit no node.
	Unschedulable Behaviour = "unschedulable"
)

// NeverBindsClass is a storage class whose claims stay Pending.
const NeverBindsClass = "never-binds"

// The names that the program of test/cluster gives to what makes pods fail.
const (
	behaviourConfigMap  = "testcluster"
	behaviourAnnotation = "testcluster.storeplatform.io/pods"
	probeAnnotation     = "testcluster.storeplatform.io/probe"
)

// Misbehave makes the pods of a namespace, which need not exist yet, behave like this from now on. It returns when the next
// pod will. When the test ends, pods behave again.
func (c *Cluster) Misbehave(t testing.TB, namespace string, behaviour Behaviour) {
	t.Helper()
	if err := c.setBehaviour(t.Context(), namespace, behaviour); err != nil {
		t.Fatalf("Make pods of namespace %s behave %q: %v", namespace, behaviour, err)
	}
	t.Cleanup(func() {
		// The test's own context has ended.
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if err := c.setBehaviour(ctx, namespace, Healthy); err != nil {
			t.Errorf("Make pods of namespace %s behave again: %v", namespace, err)
		}
	})
}

// setBehaviour writes a namespace's behaviour down and returns when admission goes by it.
func (c *Cluster) setBehaviour(ctx context.Context, namespace string, behaviour Behaviour) error {
	data := map[string]any{namespace: behaviour}
	if behaviour == Healthy {
		data[namespace] = nil // removes the key
	}
	patch, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		return fmt.Errorf("encode behaviour: %w", err)
	}
	_, err = c.client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Patch(ctx, behaviourConfigMap, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("write behaviour: %w", err)
	}
	return c.waitForBehaviour(ctx, namespace, behaviour)
}

// waitForBehaviour tries pods, without creating any, until they are treated as they shall be: admission reads its
// parameters from a cache that reports nothing. The probe is owned by a Job, because some behaviours are only for those.
func (c *Cluster) waitForBehaviour(ctx context.Context, namespace string, behaviour Behaviour) error {
	isController := true
	probe := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName:    "probe-",
			Annotations:     map[string]string{probeAnnotation: namespace},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: "probe", UID: "probe", Controller: &isController}},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "probe", Image: "probe"}}},
	}
	const interval, limit = 20 * time.Millisecond, 30 * time.Second
	return wait.PollUntilContextTimeout(ctx, interval, limit, true, func(ctx context.Context) (bool, error) {
		pods := c.client.CoreV1().Pods(metav1.NamespaceSystem)
		pod, err := pods.Create(ctx, probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil {
			return false, fmt.Errorf("try a pod: %w", err)
		}
		return Behaviour(pod.Annotations[behaviourAnnotation]) == behaviour, nil
	})
}
