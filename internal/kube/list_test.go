package kube

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
)

// answers serves lists of ConfigMaps: for each continue token what the API server says then, one answer after the other.
type answers map[string][]answer

type answer struct {
	code   int
	header map[string]string
	body   any
}

func page(next string, names ...string) answer {
	list := corev1.ConfigMapList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMapList"}, ListMeta: metav1.ListMeta{Continue: next}}
	for _, name := range names {
		list.Items = append(list.Items, corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	return answer{code: http.StatusOK, body: list}
}

func refusal(code int, reason metav1.StatusReason, next string, header map[string]string) answer {
	return answer{code: code, header: header, body: metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, ListMeta: metav1.ListMeta{Continue: next},
		Status: metav1.StatusFailure, Reason: reason, Code: int32(code), //nolint:gosec // an HTTP status
	}}
}

func TestListAnswers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason  string
		answers answers
		want    []string
		fails   bool
	}{
		"pages": {
			"a list in pages is read to its end",
			answers{"": {page("1", "a", "b")}, "1": {page("2", "c")}, "2": {page("", "d")}}, []string{"a", "b", "c", "d"}, false,
		},
		"expired": {
			"the server forgot where the list began, and says where it can go on",
			answers{"": {page("1", "a")}, "1": {refusal(http.StatusGone, metav1.StatusReasonExpired, "1b", nil)}, "1b": {page("", "b")}}, []string{"a", "b"}, false,
		},
		"expired for good": {
			"a server that says nothing more is an error, never a short list",
			answers{"": {page("1", "a")}, "1": {refusal(http.StatusGone, metav1.StatusReasonExpired, "", nil)}}, []string{"a"}, true,
		},
		"too many requests": {
			"a server that asks for patience is asked again",
			answers{"": {refusal(http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests, "", map[string]string{"Retry-After": "0"}), page("", "a")}}, []string{"a"}, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				token := r.URL.Query().Get("continue")
				queue := tc.answers[token]
				if len(queue) == 0 {
					t.Errorf("%s: unexpected request with token %q", tc.reason, token)
					w.WriteHeader(http.StatusInternalServerError)
					return
				}
				tc.answers[token] = queue[1:]
				for key, value := range queue[0].header {
					w.Header().Set(key, value)
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(queue[0].code)
				if err := json.NewEncoder(w).Encode(queue[0].body); err != nil {
					t.Error(err)
				}
			}))
			defer server.Close()
			cluster, err := New(&rest.Config{Host: server.URL, QPS: -1}, "test")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			err = cluster.List(t.Context(), Query{Kind: KnownKind("ConfigMap")}, func(o *unstructured.Unstructured) error {
				got = append(got, o.GetName())
				return nil
			})
			if (err != nil) != tc.fails {
				t.Errorf("%s: error %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}
