package kube

import (
	"bytes"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	jsonserializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// answers serves lists of ConfigMaps: for each continue token what the API server says then, one answer after the other.
type answers map[string][]answer

type answer struct {
	code   int
	header map[string]string
	body   runtime.Object
}

func page(next string, names ...string) answer {
	list := &corev1.ConfigMapList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMapList"}, ListMeta: metav1.ListMeta{Continue: next}}
	for _, name := range names {
		list.Items = append(list.Items, corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	return answer{code: http.StatusOK, body: list}
}

func refusal(code int, reason metav1.StatusReason, next string, header map[string]string) answer {
	return answer{code: code, header: header, body: &metav1.Status{
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
		for encoding, serializer := range encodings() {
			t.Run(name+" in "+encoding, func(t *testing.T) {
				t.Parallel()
				queues := maps.Clone(tc.answers)
				got, err := list(t, Query{Kind: KnownKind("ConfigMap")}, func(w http.ResponseWriter, r *http.Request) {
					token := r.URL.Query().Get("continue")
					queue := queues[token]
					if len(queue) == 0 {
						t.Errorf("%s: unexpected request with token %q", tc.reason, token)
						w.WriteHeader(http.StatusInternalServerError)
						return
					}
					queues[token] = queue[1:]
					for key, value := range queue[0].header {
						w.Header().Set(key, value)
					}
					w.Header().Set("Content-Type", encoding)
					w.WriteHeader(queue[0].code)
					if err := serializer.Encode(queue[0].body, w); err != nil {
						t.Error(err)
					}
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
}

func TestListIsNeverShort(t *testing.T) {
	t.Parallel()
	whole := new(bytes.Buffer)
	if err := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme).Encode(page("", "a", "b", "c").body, whole); err != nil {
		t.Fatal(err)
	}
	for length := range whole.Len() {
		got, err := list(t, Query{Kind: KnownKind("ConfigMap")}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", runtime.ContentTypeProtobuf)
			if _, err := w.Write(whole.Bytes()[:length]); err != nil {
				t.Error(err)
			}
		})
		if err == nil && len(got) < 3 {
			t.Errorf("The first %d of %d bytes of a list were taken for all of it: %v", length, whole.Len(), got)
		}
	}
}

func TestListSaysWhereItFailed(t *testing.T) {
	t.Parallel()
	for namespace, want := range map[string]string{"": "list configmaps: ", "store-acme": "list configmaps in namespace store-acme: "} {
		_, err := list(t, Query{Kind: KnownKind("ConfigMap"), Namespace: namespace}, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
		})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("in namespace %q: error %v, want %q and the reason", namespace, err, want)
		}
	}
}

func TestListMetadata(t *testing.T) {
	t.Parallel()
	answer := &metav1.PartialObjectMetadataList{
		TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadataList"},
		Items:    []metav1.PartialObjectMetadata{{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, {ObjectMeta: metav1.ObjectMeta{Name: "b"}}},
	}
	for encoding, serializer := range encodings() {
		got, err := list(t, Query{Kind: KnownKind("Secret"), Metadata: true}, func(w http.ResponseWriter, r *http.Request) {
			if accept := r.Header.Get("Accept"); accept != onlyMetadata {
				t.Errorf("the request accepts %q: the contents of Secrets would be sent", accept)
			}
			w.Header().Set("Content-Type", encoding+";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
			if err := serializer.Encode(answer, w); err != nil {
				t.Error(err)
			}
		})
		if diff := cmp.Diff([]string{"a", "b"}, got); err != nil || diff != "" {
			t.Errorf("%s: error %v, names (-want +got)\n%s", encoding, err, diff)
		}
	}
}

// encodings are those that an API server answers in, by content type.
func encodings() map[string]runtime.Serializer {
	return map[string]runtime.Serializer{
		runtime.ContentTypeJSON:     jsonserializer.NewSerializerWithOptions(jsonserializer.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, jsonserializer.SerializerOptions{}),
		runtime.ContentTypeProtobuf: protobuf.NewSerializer(scheme.Scheme, scheme.Scheme),
	}
}

// list runs a query against a server, and returns the names of what there is.
func list(t *testing.T, q Query, serve http.HandlerFunc) (names []string, err error) {
	t.Helper()
	server := httptest.NewServer(serve)
	defer server.Close()
	cluster, err := New(&rest.Config{Host: server.URL, QPS: -1}, "test")
	if err != nil {
		t.Fatal(err)
	}
	err = cluster.List(t.Context(), q, func(o *unstructured.Unstructured) error {
		names = append(names, o.GetName())
		return nil
	})
	return names, err
}
