package explain_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/explain"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// objects reads the recorded objects of one situation.
func objects(t *testing.T, name string) []runtime.Object {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var out []runtime.Object
	for _, document := range bytes.Split(data, []byte("\n---\n")) {
		object, _, err := scheme.Codecs.UniversalDeserializer().Decode(document, nil, nil)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, document)
		}
		out = append(out, object)
	}
	return out
}

// recorded is one situation as a wait sees it.
func recorded(t *testing.T, name string) explain.Workloads {
	t.Helper()
	var w explain.Workloads
	for _, object := range objects(t, name) {
		switch o := object.(type) {
		case *appsv1.Deployment:
			w.Deployments = append(w.Deployments, o)
		case *appsv1.StatefulSet:
			w.StatefulSets = append(w.StatefulSets, o)
		case *appsv1.ReplicaSet:
			w.ReplicaSets = append(w.ReplicaSets, o)
		case *batchv1.Job:
			w.Jobs = append(w.Jobs, o)
		case *corev1.Pod:
			w.Pods = append(w.Pods, o)
		case *corev1.PersistentVolumeClaim:
			w.Claims = append(w.Claims, o)
		case *corev1.Event:
			w.Events = append(w.Events, o)
		case *corev1.Service:
			w.Services = append(w.Services, o)
		case *discoveryv1.EndpointSlice:
			w.EndpointSlices = append(w.EndpointSlices, o)
		case *networkingv1.Ingress:
			w.Ingresses = append(w.Ingresses, o)
		case *networkingv1.IngressClass:
			w.IngressClasses = append(w.IngressClasses, o)
		case *storagev1.StorageClass:
			w.StorageClasses = append(w.StorageClasses, o)
		case *corev1.Node:
			w.Nodes = append(w.Nodes, o)
		default:
			t.Fatalf("%s: a wait does not see a %T", name, object)
		}
	}
	return w.Of(func(key string) bool {
		return slices.Contains([]string{"Deployment/web", "StatefulSet/database", "Job/install-0a1b2c3d4e"}, key)
	})
}

func TestCauses(t *testing.T) {
	const pod = "Pod/web-7d9c5b8f6d-x2l4q"
	type cause struct{ Code, Object, Message, Evidence, Container string }
	for name, tc := range map[string]struct {
		reason string
		want   []cause
	}{
		"no-cause":    {"a container that is being created and a volume that waits for its pod need time, not advice", nil},
		"not-awaited": {"a pod of a replaced revision stays broken until the new one is ready, and a CronJob is not waited for", nil},
		explain.ImageName: {"the reference is shown as it was written", []cause{{explain.ImageName, pod,
			"image Acme/web:1 of container web cannot exist: its reference is not valid",
			`InvalidImageName: Failed to apply default image tag "Acme/web:1": couldn't parse image name "Acme/web:1": invalid reference format: repository name (library/Acme/web) must be lowercase`, ""}}},
		explain.ImagePull: {"the image and the registry's answer", []cause{{explain.ImagePull, pod,
			"image registry.example.com/acme/web:1.4.2 of container web cannot be pulled",
			`ImagePullBackOff: Back-off pulling image "registry.example.com/acme/web:1.4.2": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image "registry.example.com/acme/web:1.4.2": failed to resolve reference "registry.example.com/acme/web:1.4.2": registry.example.com/acme/web:1.4.2: not found`, ""}}},
		explain.ImageDenied: {"missing credentials need another fix than a wrong tag", []cause{{explain.ImageDenied, pod,
			"the registry denies image docker.io/acme/web:1.4.2 of container web",
			`ErrImagePull: failed to pull and unpack image "docker.io/acme/web:1.4.2": failed to resolve reference "docker.io/acme/web:1.4.2": pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed`, ""}}},
		explain.BadConfig: {"the Secret and the key are named", []cause{{explain.BadConfig, pod,
			"container web cannot be configured", "CreateContainerConfigError: couldn't find key smtp-password in Secret store-acme/smtp", ""}}},
		explain.CrashLoop: {"the exit code, and a log to read; what the container said is no evidence, for it may be a secret", []cause{{explain.CrashLoop, pod,
			"container web keeps ending", "exit code 1, 4 restarts", "web"}}},
		explain.OutOfMemory: {"the limit stands beside the kill", []cause{{explain.OutOfMemory, pod,
			"container web was killed: it used more memory than its limit of 512Mi", "OOMKilled, exit code 137, 4 restarts", "web"}}},
		explain.QuotaExceeded: {"what was asked for, used and allowed", []cause{{explain.QuotaExceeded, "Deployment/web",
			"its pods are refused: the quota of the plan is used up",
			`Error creating: pods "web-7d9c5b8f6d-8jv2k" is forbidden: exceeded quota: services, requested: limits.memory=1Gi, used: limits.memory=3584Mi, limited: limits.memory=4Gi`, ""}}},
		explain.LimitRange: {"the bound and what breaks it; the condition alone will do", []cause{{explain.LimitRange, "Deployment/web",
			"its pods are refused: a container or volume is outside the limits of the namespace",
			`pods "web-7d9c5b8f6d-8jv2k" is forbidden: maximum memory usage per Container is 2Gi, but limit is 4Gi`, ""}}},
		explain.PodSecurity: {"a StatefulSet has no condition, its event lists what the pod lacks", []cause{{explain.PodSecurity, "StatefulSet/database",
			"its pods are refused: they break the rules of Pod Security",
			`create Pod database-0 in StatefulSet database failed error: pods "database-0" is forbidden: violates PodSecurity "restricted:v1.37": allowPrivilegeEscalation != false (container "database" must set securityContext.allowPrivilegeEscalation=false), runAsNonRoot != true (pod or container "database" must set securityContext.runAsNonRoot=true)`, ""}}},
		explain.PodsRejected: {"a webhook of the cluster has its own words", []cause{{explain.PodsRejected, "StatefulSet/database",
			"its pods are refused",
			`create Pod database-0 in StatefulSet database failed error: Internal error occurred: failed calling webhook "pods.policy.example.com": failed to call webhook: Post "https://policy.policy-system.svc:443/pods?timeout=10s": context deadline exceeded`, ""}}},
		explain.JobFailed: {"the Job says that it gave up; its attempts are not told again", []cause{{explain.JobFailed, "Job/install-0a1b2c3d4e",
			"the job failed", "BackoffLimitExceeded: Job has reached the specified backoff limit", "install"}}},
		explain.JobAttemptFailed: {"of several attempts the last one is told", []cause{{explain.JobAttemptFailed, "Pod/install-0a1b2c3d4e-bbbbb",
			"container install failed; the job tries again while it has attempts left", "Error, exit code 1", "install"}}},
		explain.Unschedulable: {"the scheduler's own words", []cause{{explain.Unschedulable, pod, "no node takes the pod",
			"0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 Insufficient memory. no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.", ""}}},
		explain.NoStorageClass: {"the class is named", []cause{{explain.NoStorageClass, "PersistentVolumeClaim/content",
			"its storage class fast does not exist", `storageclass.storage.k8s.io "fast" not found`, ""}}},
		explain.ClaimUnbound: {"the class is there: the provisioner's own words", []cause{{explain.ClaimUnbound, "PersistentVolumeClaim/content",
			"the volume is not provisioned", `failed to provision volume with StorageClass "local-path": failed to create volume pvc-1f: create process timeout after 120 seconds`, ""}}},
		explain.MountFailed: {"a missing key of a mounted Secret leaves the container in creation: only the event tells", []cause{{explain.MountFailed, pod,
			"a volume of the pod cannot be mounted", `MountVolume.SetUp failed for volume "smtp" : references non-existent secret key: password`, ""}}},
		explain.NodePressure: {"the evicted pod and the node that did it", []cause{
			{explain.NodePressure, "Node/node-1", "the node is not fit for pods", "DiskPressure=True: kubelet has disk pressure", ""},
			{explain.NodePressure, pod, "the node is not fit for pods", "The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi, available: 8Gi.", ""}}},
		explain.ProbeFailing: {"a container that runs is not ready for a reason", []cause{{explain.ProbeFailing, pod,
			"container web runs but fails its probe", "2 restarts", "web"}}},
		explain.InitContainer: {"a pod that waits for its database", []cause{{explain.InitContainer, pod,
			"the pod waits until its init container wait-for-database ends", "", "wait-for-database"}}},
		explain.RolloutStalled: {"the controller's message", []cause{{explain.RolloutStalled, "Deployment/web",
			"its rollout makes no progress", `ReplicaSet "web-7d9c5b8f6d" has timed out progressing.`, ""}}},
		explain.NoEndpoints: {"a wrong selector", []cause{{explain.NoEndpoints, "Service/web",
			"no ready pod is behind the service", "no pod has the labels app=shop", ""}}},
		explain.NoLoadBalancer: {"the words of who should have given it an address", []cause{{explain.NoLoadBalancer, "Service/web",
			"no load balancer took the service", "Error syncing load balancer: failed to ensure load balancer: no address left in pool", ""}}},
		explain.NoService: {"visitors would get 503", []cause{{explain.NoService, "Ingress/store",
			"service front of the ingress does not exist", "", ""}}},
		explain.NoIngressClass: {"nobody serves the Ingress", []cause{{explain.NoIngressClass, "Ingress/store",
			"no ingress controller serves the ingress: class nginx does not exist", "", ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []cause
			for _, f := range explain.Causes(recorded(t, name)) {
				got = append(got, cause{f.Code, f.Object.String(), f.Message, f.Evidence, f.Container})
				if f.Fix == "" || strings.ContainsAny(f.Fix, "{}") {
					t.Errorf("%s: the advice is not complete: %q", tc.reason, f.Fix)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}

func TestOfAPIError(t *testing.T) {
	status, ok := objects(t, explain.APITimeout)[0].(*metav1.Status)
	if !ok {
		t.Fatal("the fixture is no Status")
	}
	got := explain.OfAPIError("store-acme", &apierrors.StatusError{ErrStatus: *status})
	if got.Code != explain.APITimeout || got.Evidence != status.Message || got.Fix == "" {
		t.Errorf("an API server that does not answer: %+v", got)
	}
}

func TestEveryCauseIsRecordedAndExplained(t *testing.T) {
	codes := make(map[string]bool)
	for _, e := range explain.Table() {
		if codes[e.Code] {
			t.Errorf("code %s is there twice", e.Code)
		}
		codes[e.Code] = true
		if e.Title == "" || e.Message == "" || e.Means == "" || e.Fix == "" || e.Patience == "" {
			t.Errorf("%s lacks words: %+v", e.Code, e)
		}
		if !e.Terminal && (e.Grace != 0 || e.Dated) {
			t.Errorf("%s ends no wait, so it needs no grace", e.Code)
		}
		if _, err := os.Stat(filepath.Join("testdata", e.Code+".yaml")); err != nil {
			t.Errorf("%s has no recorded fixture: %v", e.Code, err)
		}
	}
}

func TestPatience(t *testing.T) {
	start := time.Date(2026, 11, 23, 10, 0, 0, 500, time.UTC)
	finding := func(code string, change func(*explain.Finding)) explain.Finding {
		f := explain.Finding{Cause: spec.Cause{Code: code, Object: spec.ObjectRef{Kind: "Pod", Name: "web"}}, Said: start}
		if change != nil {
			change(&f)
		}
		return f
	}
	hopeful := func(f *explain.Finding) { f.Hopeful = true }
	before := func(f *explain.Finding) { f.Said = start.Add(-time.Minute) }
	for name, tc := range map[string]struct {
		reason   string
		findings func(second int) []explain.Finding
		want     int // the second at which the wait ends; -1 for never
	}{
		"name":      {"a reference that cannot exist never will", func(int) []explain.Finding { return []explain.Finding{finding(explain.ImageName, before)} }, 0},
		"job":       {"a failed Job stays failed", func(int) []explain.Finding { return []explain.Finding{finding(explain.JobFailed, before)} }, 0},
		"crash":     {"a database may still come", func(int) []explain.Finding { return []explain.Finding{finding(explain.CrashLoop, nil)} }, -1},
		"pull":      {"three failed pulls are enough", func(int) []explain.Finding { return []explain.Finding{finding(explain.ImagePull, nil)} }, 30},
		"old pull":  {"an image that was not pulled since the run began may have been repaired", func(int) []explain.Finding { return []explain.Finding{finding(explain.ImagePull, before)} }, -1},
		"quota":     {"a quota that nothing frees", func(int) []explain.Finding { return []explain.Finding{finding(explain.QuotaExceeded, nil)} }, 15},
		"old quota": {"a larger plan heals it when the controller tries again", func(int) []explain.Finding { return []explain.Finding{finding(explain.QuotaExceeded, before)} }, -1},
		"freed": {"what ends frees its share: the grace begins after it", func(second int) []explain.Finding {
			if second < 20 {
				return []explain.Finding{finding(explain.QuotaExceeded, hopeful)}
			}
			return []explain.Finding{finding(explain.QuotaExceeded, nil)}
		}, 35},
		"comes and goes": {"only what holds without a break counts", func(second int) []explain.Finding {
			if second%10 == 0 {
				return nil
			}
			return []explain.Finding{finding(explain.ImagePull, nil)}
		}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			p, got := explain.Patience{Started: start}, -1
			for second := range 300 {
				if p.Over(tc.findings(second), start.Add(time.Duration(second)*time.Second)) {
					got = second
					break
				}
			}
			if got != tc.want {
				t.Errorf("%s: the wait ends at second %d, want %d", tc.reason, got, tc.want)
			}
		})
	}
}

func TestQuotaIsFreed(t *testing.T) {
	w := recorded(t, explain.QuotaExceeded)
	hopeful := func() bool { return explain.Causes(w)[0].Hopeful }
	if hopeful() {
		t.Error("nothing runs that could free the quota")
	}
	w.Pods = []*corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "old", DeletionTimestamp: &metav1.Time{Time: time.Now()}}}}
	w = w.Of(func(key string) bool { return key == "Deployment/web" })
	if !hopeful() {
		t.Error("a pod that ends frees its share of the quota")
	}
}

// A StatefulSet may be about to replace a broken pod, or wait for it for ever: only a person can tell.
func TestOutdatedPod(t *testing.T) {
	w := recorded(t, explain.ImageName)
	w.StatefulSets = []*appsv1.StatefulSet{{
		ObjectMeta: metav1.ObjectMeta{Name: "database"}, Status: appsv1.StatefulSetStatus{UpdateRevision: "database-2"},
	}}
	isController := true
	w.Pods[0].OwnerReferences = []metav1.OwnerReference{{Kind: "StatefulSet", Name: "database", Controller: &isController}}
	for revision, hopeful := range map[string]bool{"database-1": true, "database-2": false} {
		w.Pods[0].Labels = map[string]string{appsv1.StatefulSetRevisionLabel: revision}
		got := explain.Causes(w)[0]
		if got.Hopeful != hopeful || strings.Contains(got.Fix, "delete pod") != hopeful {
			t.Errorf("a pod of revision %s while database-2 is wanted: hopeful %t, advice %q", revision, got.Hopeful, got.Fix)
		}
	}
}

// A Secret that came late leaves its warning behind.
func TestMountThatHealed(t *testing.T) {
	w := recorded(t, explain.MountFailed)
	later := w.Events[0].DeepCopy()
	later.Reason, later.LastTimestamp = "Pulling", metav1.NewTime(later.LastTimestamp.Add(time.Minute))
	w.Events = append(w.Events, later)
	if got := explain.Causes(w); len(got) > 0 {
		t.Errorf("the image is pulled, so the volumes are mounted: %+v", got)
	}
}

func TestIdle(t *testing.T) {
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}
	waiting := func(why string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: why}}
	}
	for name, tc := range map[string]struct {
		reason     string
		node       string
		init, main []corev1.ContainerState
		want       bool
	}{
		"no node":      {"nothing runs nowhere", "", nil, nil, true},
		"accepted":     {"the kubelet may be at work", "n1", nil, nil, false},
		"creating":     {"the container may be there already", "n1", nil, []corev1.ContainerState{waiting("ContainerCreating")}, false},
		"initializing": {"the first container is being made", "n1", []corev1.ContainerState{waiting("PodInitializing")}, []corev1.ContainerState{waiting("PodInitializing")}, false},
		"running":      {"it works", "n1", []corev1.ContainerState{ended}, []corev1.ContainerState{running}, false},
		"init runs":    {"it works too", "n1", []corev1.ContainerState{running}, []corev1.ContainerState{waiting("PodInitializing")}, false},
		"init pull":    {"its first container has no image", "n1", []corev1.ContainerState{waiting("ErrImagePull")}, []corev1.ContainerState{waiting("PodInitializing")}, true},
		"pull":         {"what ran has ended, what comes has no image", "n1", []corev1.ContainerState{ended}, []corev1.ContainerState{waiting("ImagePullBackOff")}, true},
		"half":         {"one container works beside the one without an image", "n1", nil, []corev1.ContainerState{running, waiting("ImagePullBackOff")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := &corev1.Pod{Spec: corev1.PodSpec{NodeName: tc.node}}
			for _, state := range tc.init {
				p.Status.InitContainerStatuses = append(p.Status.InitContainerStatuses, corev1.ContainerStatus{State: state})
			}
			for _, state := range tc.main {
				p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{State: state})
			}
			if got := explain.Idle(p); got != tc.want {
				t.Errorf("%s: idle %t, want %t", tc.reason, got, tc.want)
			}
		})
	}
}

func TestRedact(t *testing.T) {
	for name, tc := range map[string]struct{ reason, in, want string }{
		"value":      {"a value of a Secret, wherever it is", "login with s3cr3t-value failed", "login with *** failed"},
		"base64":     {"the same in base64", "Basic czNjcjN0LXZhbHVl!", "Basic ***!"},
		"lines":      {"a line of a key with many", "key: MIIEvQIBADANBgkq", "key: ***"},
		"assignment": {"what is called a password is one", "DB_PASSWORD=hunter2 host=db", "DB_PASSWORD=*** host=db"},
		"json":       {"in JSON too", `{"apiKey": "a b", "port": 1}`, `{"apiKey": ***, "port": 1}`},
		"header":     {"a bearer token", "Authorization: Bearer abc.def", "Authorization: ***"},
		"url":        {"a password in an address", "postgres://shop:pw@database:5432/medusa", "postgres://shop:***@database:5432/medusa"},
		"php":        {"an array of PHP", "'password' => 'x y'", "'password' => ***"},
		"plain":      {"ordinary words stay", "Fatal error: Uncaught TypeError in /var/www/html/index.php:3", "Fatal error: Uncaught TypeError in /var/www/html/index.php:3"},
		"short":      {"a value that says nothing masks nothing", "id ab", "id ab"},
	} {
		t.Run(name, func(t *testing.T) {
			got := explain.Redact(tc.in, []string{"s3cr3t-value", "-----BEGIN\nMIIEvQIBADANBgkq\n", "ab", ""})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}

func TestTail(t *testing.T) {
	if got := strings.Count(explain.Tail(strings.Repeat("line\n", 50), nil), "line"); got != explain.LogLines {
		t.Errorf("%d lines are quoted, want %d", got, explain.LogLines)
	}
	if got, want := explain.Uncut("half\nwhole\nhal", 10), "whole"; got != want {
		t.Errorf("Text that was cut: %q, want %q: half a secret is not recognised", got, want)
	}
	if got, want := explain.Uncut("half\nwhole", 100), "half\nwhole"; got != want {
		t.Errorf("Text that was not cut: %q, want %q", got, want)
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("password=", "hunter22")
	f.Add("a hunter22 b\n", "hunter22")
	f.Fuzz(func(t *testing.T, text, secret string) {
		secret = strings.TrimSpace(secret)
		if len(secret) < 8 || strings.Contains(secret, "\n") || strings.Contains(secret, "*") {
			t.Skip()
		}
		if got := explain.Redact(text+secret, []string{secret}); strings.Contains(got, secret) {
			t.Errorf("%q shows %q", got, secret)
		}
	})
}
