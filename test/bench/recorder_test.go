package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

func TestRecorderCounts(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(server.Close)
	recorder, err := startRecorder(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatalf("Start the recorder: %v", err)
	}
	t.Cleanup(recorder.server.Close)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := recorder.writeKubeconfig(kubeconfig); err != nil {
		t.Fatalf("Write kubeconfig: %v", err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatalf("Read kubeconfig: %v", err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatalf("Create client: %v", err)
	}
	const apply = "application/apply-patch+yaml"
	for name, tc := range map[string]struct {
		reason            string
		method, path, typ string
		want              record
	}{
		"ListOfAllNamespaces": {
			reason: "A collection is listed.", method: http.MethodGet, path: "/apis/apps/v1/deployments?limit=500",
			want: record{Requests: map[string]int{"LIST": 1}, Paths: map[string]int{"LIST deployments": 1}},
		},
		"ListOfOneNamespace": {
			reason: "The namespace is no name of an object.", method: http.MethodGet, path: "/api/v1/namespaces/store-acme/secrets",
			want: record{Requests: map[string]int{"LIST": 1}, Paths: map[string]int{"LIST secrets": 1}},
		},
		"Namespace": {
			reason: "A namespace is an object too.", method: http.MethodGet, path: "/api/v1/namespaces/store-acme",
			want: record{Requests: map[string]int{"GET": 1}, Paths: map[string]int{"GET namespaces": 1}},
		},
		"Watch": {
			reason: "A watch is no list.", method: http.MethodGet, path: "/api/v1/pods?watch=true",
			want: record{Requests: map[string]int{"WATCH": 1}, Paths: map[string]int{"WATCH pods": 1}},
		},
		"Discovery": {
			reason: "What has no resource is told by its path.", method: http.MethodGet, path: "/apis",
			want: record{Requests: map[string]int{"GET": 1}, Paths: map[string]int{"GET apis": 1}},
		},
		"Apply": {
			reason: "Server-side apply has a verb of its own and writes.", method: http.MethodPatch, path: "/api/v1/namespaces/a/resourcequotas/jobs", typ: apply,
			want: record{Requests: map[string]int{"APPLY": 1}, Paths: map[string]int{"APPLY resourcequotas": 1}, Writes: 1},
		},
		"DryRun": {
			reason: "A dry run writes nothing.", method: http.MethodPatch, path: "/api/v1/namespaces/a/resourcequotas/jobs?dryRun=All", typ: apply,
			want: record{Requests: map[string]int{"APPLY (dry run)": 1}, Paths: map[string]int{"APPLY (dry run) resourcequotas": 1}},
		},
		"Status": {
			reason: "A subresource is told apart.", method: http.MethodPut, path: "/api/v1/namespaces/a/pods/b/status",
			want: record{Requests: map[string]int{"PUT": 1}, Paths: map[string]int{"PUT pods/status": 1}, Writes: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tc.method, recorder.server.URL+tc.path, strings.NewReader(""))
			if err != nil {
				t.Fatalf("Create request: %v", err)
			}
			req.Header.Set("Content-Type", tc.typ)
			resp, err := client.Do(req)
			if err != nil {
				t.Fatalf("Send request: %v", err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Fatalf("Read response: %v", err)
			}
			_ = resp.Body.Close()
			got := recorder.take()
			tc.want.Received = int64(len("{}"))
			got.first, got.last = tc.want.first, tc.want.last
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(record{})); diff != "" {
				t.Errorf("%s\nRecord (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
