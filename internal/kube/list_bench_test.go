package kube

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// BenchmarkSnapshot takes in a page of 1,000 Deployments. Beside the time it reports what is live on the heap meanwhile, at most.
func BenchmarkSnapshot(b *testing.B) {
	body := new(bytes.Buffer)
	if err := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme).Encode(deployments(1000), body); err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", apiruntime.ContentTypeProtobuf)
		if _, err := w.Write(body.Bytes()); err != nil {
			b.Error(err)
		}
	}))
	defer server.Close()
	cluster, err := New(&rest.Config{Host: server.URL, QPS: -1}, "test")
	if err != nil {
		b.Fatal(err)
	}
	var most uint64
	for b.Loop() {
		seen, before := 0, liveHeap(b)
		_, err := cluster.Snapshot(b.Context(), []SnapshotQuery{{Query: Query{Kind: KnownKind("Deployment")}, Keep: func(metav1.Object) (any, error) {
			if seen++; seen%500 == 0 {
				most = max(most, liveHeap(b)-before)
			}
			return nil, nil
		}}})
		if err != nil || seen != 1000 {
			b.Fatalf("%d objects, %v", seen, err)
		}
	}
	b.ReportMetric(float64(most)/(1<<20), "MiB-live")
	b.ReportMetric(float64(body.Len())/(1<<20), "MiB-sent")
}

// liveHeap is what survives a collection, which is left out of the time.
func liveHeap(b *testing.B) uint64 {
	b.Helper()
	b.StopTimer()
	defer b.StartTimer()
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func deployments(number int) *appsv1.DeploymentList {
	list := new(appsv1.DeploymentList)
	for i := range number {
		var env []corev1.EnvVar
		for j := range 20 {
			env = append(env, corev1.EnvVar{Name: fmt.Sprintf("VARIABLE_%d", j), Value: "value"})
		}
		labels := map[string]string{"app.kubernetes.io/name": "woocommerce", "app.kubernetes.io/instance": "shop", "storeplatform.io/store": fmt.Sprintf("shop-%d", i)}
		list.Items = append(list.Items, appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{
				Name: "web", Namespace: fmt.Sprintf("store-shop-%d", i), UID: "6b3a53d3-6c0c-4bd8-a1b2-5d4b52f0c7a1", ResourceVersion: "123456", Labels: labels,
				ManagedFields: []metav1.ManagedFieldsEntry{{
					Manager: "storeplatform", Operation: metav1.ManagedFieldsOperationApply, APIVersion: "apps/v1", FieldsType: "FieldsV1",
					FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:template":{"f:spec":{"f:containers":{` + strings.Repeat(`"k:{\"name\":\"web\"}":{"f:image":{}},`, 50) + `"f:image":{}}}}}}`),
				}},
			},
			Spec: appsv1.DeploymentSpec{
				Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "woocommerce", Env: env}}}},
			},
		})
	}
	return list
}
