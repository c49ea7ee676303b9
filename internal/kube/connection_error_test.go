package kube_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
)

func TestBooting(t *testing.T) {
	t.Parallel()
	nodes := schema.GroupResource{Resource: "nodes"}
	status := func(code int) error {
		return apierrors.NewGenericServerResponse(code, "get", nodes, "", "", 0, true)
	}
	for name, test := range map[string]struct {
		reason string
		err    error
		want   bool
	}{
		"none":           {"nothing is wrong", nil, false},
		"unreachable":    {"it does not listen yet", &kube.ConnectionError{Reason: kube.Unreachable}, true},
		"401":            {"its users are not loaded yet", &kube.ConnectionError{Reason: kube.Unauthorized}, true},
		"403":            {"it answers, and knows us", &kube.ConnectionError{Reason: kube.Forbidden, Err: apierrors.NewForbidden(nodes, "", nil)}, false},
		"certificate":    {"it is another cluster", &kube.ConnectionError{Reason: kube.BadTLS}, false},
		"address":        {"there will never be a cluster", &kube.ConnectionError{Reason: kube.BadAddress}, false},
		"429":            {"it is busy", status(http.StatusTooManyRequests), true},
		"500":            {"its database is not there yet", status(http.StatusInternalServerError), true},
		"502":            {"a load balancer has no backend yet", status(http.StatusBadGateway), true},
		"503":            {"it says so itself", fmt.Errorf("read: %w", status(http.StatusServiceUnavailable)), true},
		"404":            {"what is not there is not there", apierrors.NewNotFound(nodes, "one"), false},
		"409":            {"somebody else was faster", apierrors.NewConflict(nodes, "one", nil), false},
		"anything":       {"we do not know", errors.New("boom"), false},
		"one of many":    {"several steps fail together", errors.Join(errors.New("boom"), &kube.ConnectionError{Reason: kube.Unreachable}), true},
		"403 of a write": {"quota and admission refuse so", apierrors.NewForbidden(nodes, "", nil), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := kube.Booting(test.err); got != test.want {
				t.Errorf("%s: %v: got %t", test.reason, test.err, got)
			}
		})
	}
}
