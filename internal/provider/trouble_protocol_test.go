package provider

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
)

// trouble is the API server of the test cluster, which answers otherwise from the n-th request on: simulated by a proxy.
type trouble struct {
	*apiProxy
	mu     sync.Mutex
	left   int // requests that are still answered well
	answer http.HandlerFunc
}

func newTrouble(t *testing.T, a acceptance) *trouble {
	t.Helper()
	tr := &trouble{apiProxy: newAPIProxy(t, a)}
	tr.server.Handler = tr
	tr.listen(func(listener net.Listener) net.Listener { return listener })
	return tr
}

// begin lets the trouble begin after some requests.
func (tr *trouble) begin(after int, answer http.HandlerFunc) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.left, tr.answer = after, answer
}

// ServeHTTP implements [http.Handler].
func (tr *trouble) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	tr.mu.Lock()
	answer := tr.answer
	if tr.left > 0 {
		tr.left--
		answer = nil
	}
	tr.mu.Unlock()
	if answer == nil {
		tr.behind.ServeHTTP(w, req)
		return
	}
	answer(w, req)
}

// refusal is an answer with that code, as an API server gives it.
func refusal(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"simulated","code":%d}`, code)
	}
}

// Whatever an API server answers, from the first request on or in the middle: what is in state stays in state, byte by byte.
func TestAccTroubleNeverLosesState(t *testing.T) {
	t.Parallel()
	a := newAcceptance(t)
	store := mustApply(t, a.onCluster(t), nil, a.fields(fields{"deletion_protection": false}))
	first, middle := []int{0, 3}, []int{3}
	for name, test := range map[string]struct {
		answer  http.HandlerFunc
		reads   []int // requests that go well before it begins
		deletes []int
		want    string
	}{
		"401":        {refusal(http.StatusUnauthorized), first, first, "credentials"},
		"403":        {refusal(http.StatusForbidden), first, first, "simulated"},
		"429":        {refusal(http.StatusTooManyRequests), first, first, "simulated"},
		"500":        {refusal(http.StatusInternalServerError), first, first, "simulated"},
		"503":        {refusal(http.StatusServiceUnavailable), first, first, "simulated"},
		"broken off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, first, first, "Cluster Unreachable"},
		// Once each: that takes a minute.
		"hang": {func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }, middle, nil, "no answer in"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTrouble(t, a)
			kubeconfig, err := os.ReadFile(tr.kubeconfig)
			if err != nil {
				t.Fatal(err)
			}
			run := func(after int) *harness {
				h := configuredHarness(t, fields{"kubeconfig": string(kubeconfig), "fleet": a.fleet, "timeouts": fields{"connect": "1s"}})
				tr.begin(after, test.answer)
				return h
			}
			for _, after := range test.reads {
				kept, messages := run(after).read(storeType, store)
				mustSay(t, messages, "ERROR", test.want)
				if kept == nil || !kept.state.Equal(store.state) || !bytes.Equal(kept.private, store.private) {
					t.Errorf("read after %d requests: state is another one", after)
				}
			}
			for _, after := range test.deletes {
				h := run(after)
				kept, messages := h.applyPlan(storeType, store, nil, planned{state: value(h.resourceType(storeType), nil), private: store.private})
				mustSay(t, messages, "ERROR")
				if kept == nil || !kept.state.Equal(store.state) || !bytes.Equal(kept.private, store.private) {
					t.Errorf("delete after %d requests: state is another one", after)
				}
			}
			if !a.namespaceExists(t) {
				t.Error("the store is gone")
			}
		})
	}
	t.Cleanup(func() {
		if kept, messages := a.onCluster(t).read(storeType, store); kept == nil || !kept.state.Equal(store.state) {
			t.Errorf("the store is not what it was: %s", messages)
		}
	})
}
