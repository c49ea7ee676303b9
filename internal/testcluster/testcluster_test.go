package testcluster_test

import (
	"context"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
)

func TestVersionIsWhatHelmCanParse(t *testing.T) {
	cluster := testcluster.Start(t)
	version, err := cluster.Client().Discovery().ServerVersion()
	if err != nil {
		t.Fatalf("Get server version: %v", err)
	}
	if version.GitVersion != "v1.37.2" || version.Major != "1" || version.Minor != "37" {
		t.Errorf("The API server calls itself %s (%s.%s), want v1.37.2 (1.37)", version.GitVersion, version.Major, version.Minor)
	}
}

func TestFleetLeavesNoNamespace(t *testing.T) {
	cluster := testcluster.Start(t)
	var name string
	t.Run("WithFleet", func(t *testing.T) {
		name = cluster.Fleet(t)
		_, err := cluster.Client().CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			GenerateName: name + "-", Labels: map[string]string{"storeplatform.io/fleet": name},
		}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatalf("Create namespace: %v", err)
		}
	})
	left, err := cluster.Client().CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{LabelSelector: "storeplatform.io/fleet=" + name})
	if err != nil {
		t.Fatalf("List namespaces: %v", err)
	}
	if len(left.Items) > 0 {
		t.Errorf("%d namespaces of the fleet are left after its test", len(left.Items))
	}
}

func TestARestartKeepsWhatWasThere(t *testing.T) {
	cluster := testcluster.StartOwn(t)
	namespaces := cluster.Client().CoreV1().Namespaces()
	made, err := namespaces.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "kept-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("Create namespace: %v", err)
	}
	started := func() string {
		t.Helper()
		metrics, err := cluster.Client().Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(t.Context())
		if err != nil {
			t.Fatalf("Read metrics: %v", err)
		}
		_, line, _ := strings.Cut(string(metrics), "\nprocess_start_time_seconds ")
		line, _, _ = strings.Cut(line, "\n")
		return line
	}
	before := started()
	back, err := cluster.RestartAPIServer()
	if err != nil {
		t.Fatalf("Restart: %v", err)
	}
	if err := back(); err != nil {
		t.Fatalf("Wait for the API server: %v", err)
	}
	if after := started(); before == "" || after == before {
		t.Errorf("The API server says it was started at %q before and at %q after its restart", before, after)
	}
	if now, err := namespaces.Get(t.Context(), made.Name, metav1.GetOptions{}); err != nil || now.UID != made.UID {
		t.Errorf("The namespace of before the restart: %v, error %v", now.UID, err)
	}
}

func TestUserHasJustTheRights(t *testing.T) {
	cluster := testcluster.Start(t)
	config := cluster.User(t, "reader", []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"list"}}})
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatalf("Create client: %v", err)
	}
	if _, err := client.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("The user may list namespaces, but got %v", err)
	}
	if _, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("The user may not list nodes, but got %v", err)
	}
}

func TestMisbehaveComesBeforeTheNamespace(t *testing.T) {
	cluster := testcluster.Start(t)
	client, namespace := cluster.Client(), cluster.Fleet(t)
	cluster.Misbehave(t, namespace, testcluster.NeverPull)

	_, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: namespace, Labels: map[string]string{"storeplatform.io/fleet": namespace},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("Create namespace: %v", err)
	}
	labels := map[string]string{"app": "web"}
	_, err = client.AppsV1().Deployments(namespace).Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "example.com/web:1"}}},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("Create deployment: %v", err)
	}
	waitForPod(t, client, namespace, func(pod *corev1.Pod) bool {
		statuses := pod.Status.ContainerStatuses
		return len(statuses) == 1 && statuses[0].State.Waiting != nil && statuses[0].State.Waiting.Reason == "ImagePullBackOff"
	})

	cluster.Misbehave(t, namespace, testcluster.Healthy)
	waitForPod(t, client, namespace, func(pod *corev1.Pod) bool {
		return pod.Status.Phase == corev1.PodRunning && pod.Status.ContainerStatuses[0].Ready
	})
}

// waitForPod watches the pods of a namespace until a condition holds for one.
func waitForPod(t *testing.T, client kubernetes.Interface, namespace string, holds func(*corev1.Pod) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	pods := cache.NewFilteredListWatchFromClient(client.CoreV1().RESTClient(), "pods", namespace, func(*metav1.ListOptions) {})
	_, err := watchtools.UntilWithSync(ctx, pods, &corev1.Pod{}, nil, func(event watch.Event) (bool, error) {
		pod, ok := event.Object.(*corev1.Pod)
		return ok && event.Type != watch.Deleted && holds(pod), nil
	})
	if err != nil {
		t.Fatalf("No pod became as it should: %v", err)
	}
}
