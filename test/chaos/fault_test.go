package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
)

// fault is what the API server does instead of answering.
type fault string

const (
	tooManyRequests fault = "429"   // with Retry-After: 0
	internalError   fault = "500"   // as the API server words it
	unavailable     fault = "503"   // as a load balancer without a backend words it
	closed          fault = "close" // the connection breaks before the request arrives
	lost            fault = "lost"  // the connection breaks after the request has arrived
	hang            fault = "hang"  // no answer, until the operation has run out of time
)

var faults = []fault{tooManyRequests, internalError, unavailable, closed, lost, hang}

const (
	// patience is how long an operation goes on after a request has begun to hang: then its time is up.
	patience = 200 * time.Millisecond
	// obedience is how long an operation may take to return when its time is up.
	obedience = 15 * time.Second
)

// errTimeIsUp is the cause of the end of an operation that hangs.
var errTimeIsUp = fmt.Errorf("the time of the operation is up: %w", context.DeadlineExceeded)

// fail is how a fault answers a request. timeIsUp ends the operation.
func (f fault) fail(req *http.Request, send http.RoundTripper, timeIsUp func()) (*http.Response, error) {
	status := func(code int, reason, message string) (*http.Response, error) {
		body := fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":%q,"reason":%q,"code":%d}`, message, reason, code)
		return answer(req, code, http.Header{"Content-Type": {"application/json"}, "Retry-After": {"0"}}, body), nil
	}
	switch f {
	case tooManyRequests:
		return status(http.StatusTooManyRequests, "TooManyRequests", "Too many requests, please try again later.")
	case internalError:
		resp, err := status(http.StatusInternalServerError, "InternalError", "Internal error occurred: etcdserver: request timed out")
		resp.Header.Del("Retry-After") // with it, a client tries again by itself
		return resp, err
	case unavailable:
		return answer(req, http.StatusServiceUnavailable, http.Header{"Content-Type": {"text/plain"}}, "no backend is available\n"), nil
	case closed:
		return nil, syscall.ECONNRESET
	case lost:
		resp, err := send.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		return nil, errors.Join(syscall.ECONNRESET, resp.Body.Close())
	default:
		timer := time.AfterFunc(patience, timeIsUp)
		defer timer.Stop()
		select {
		case <-req.Context().Done():
			return nil, context.Cause(req.Context())
		case <-time.After(patience + 2*obedience): // a request that knows nothing of its operation
			return nil, syscall.ETIMEDOUT
		}
	}
}

func TestFault(t *testing.T) {
	t.Parallel()
	newBench(t, testcluster.Start(t)).tryAll(t, func(o operation, want reference) []point {
		var out []point
		for _, n := range o.sample(len(want.requests)) {
			for i, f := range faults {
				if !full() && o.number%len(faults) != i {
					continue // a fast run takes turns
				}
				if full() && f == lost && !want.requests[n-1].write() {
					continue // an answer to a read is lost in the same way as the read
				}
				out = append(out, point{fmt.Sprintf("%s-%03d", f, n), func(tr *trial) { tr.disturb(f, n) }})
			}
		}
		return out
	})
}

// disturb tries one point: a request fails, the next run finishes what the operation began.
func (tr *trial) disturb(f fault, n int) {
	tr.Helper()
	first := tr.glance()
	ctx, timeIsUp := context.WithCancelCause(tr.Context())
	defer timeIsUp(nil)
	var up atomic.Pointer[time.Time]
	w := &wire{counts: everything, at: n}
	w.disturb = func(_ request, req *http.Request, send http.RoundTripper) (*http.Response, error) {
		return f.fail(req, send, func() {
			now := time.Now()
			up.Store(&now)
			timeIsUp(errTimeIsUp)
		})
	}
	failure := tr.subject.operate(ctx, w.attach(tr.cluster.RESTConfig), tr.verb, tr.slot.whileLocked())
	returned := time.Now()
	tr.slot.take()
	at, reached := w.hit()
	if !reached {
		tr.Skipf("this run had fewer requests than the undisturbed one, which waited longer")
	}
	if when := up.Load(); when != nil && returned.Sub(*when) > obedience {
		tr.Errorf("the operation returned %s after its time was up, at most %s are allowed", returned.Sub(*when).Round(time.Second), obedience)
	}
	if failure != nil {
		// A heartbeat of the lock is sent beside the work: the error is about the request that the work was at.
		heartbeat := leaseWrites(at) && slices.ContainsFunc(w.log()[:n-1], leaseWrites)
		if !heartbeat && !names(failure, at) {
			tr.Errorf("the error does not name what %s was about: %v", at, failure)
		}
		var step *storekit.StepError
		if at.write() && !errors.As(failure, &step) {
			tr.Errorf("a failed write must be a StepError: %v", failure)
		}
	}
	left := tr.glance()
	if lost := left.lost(first); tr.verb != remove && len(lost) > 0 {
		tr.Errorf("the disturbed operation replaced %v", lost)
	}
	tr.survive(left, tr.announced(left, 0))
	tr.done("%s at request %d: %s; %s", f, n, at, outcome(failure))
}

// names tells whether an error says which object a request was about; of a list, which kind of objects, or the namespace.
func names(err error, r request) bool {
	if r.Kind == "" {
		return true // discovery is about the API server as a whole
	}
	words := []string{r.Name}
	if r.Name == "" {
		words = []string{r.Kind, kind(r.Kind), r.Namespace}
	}
	return slices.ContainsFunc(words, func(word string) bool { return word != "" && strings.Contains(err.Error(), word) })
}

func outcome(err error) string {
	if err == nil {
		return "it went on"
	}
	return "it failed: " + strings.ReplaceAll(err.Error(), "\n", " ")
}
