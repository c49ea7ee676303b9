// Package blueprint turns a store's specification into Kubernetes objects and chart values.
//
// It is pure: no clock, no network, no randomness. The same specification and environment give the same bytes at plan and at
// apply. It imports Kubernetes types but no client.
package blueprint

import (
	"fmt"
	"net/netip"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Environment is what rendering needs to know of a cluster. Objects that depend on it cannot be rendered while the cluster
// is unknown; see [Blueprint.Deferred].
type Environment struct {
	IngressClass    string         // class of the ingress controller, empty when the cluster has none
	IngressPods     *PodSelector   // pods of the controller, nil when it runs on the host network or is unknown
	NodeAddresses   []netip.Addr   // every internal and external address of every node, sorted
	ClusterPrefixes []netip.Prefix // pod and service networks as far as known, sorted
}

// PodSelector selects pods of one namespace by label.
type PodSelector struct {
	Namespace string
	Labels    map[string]string
}

// Blueprint is everything a store consists of.
type Blueprint struct {
	Namespace  *unstructured.Unstructured
	Guardrails []*unstructured.Unstructured // everything that exists before the first pod, in order of application, without Secrets
	Secrets    []Secret                     // Secrets that exist before the first pod
	Values     map[string]any               // of the embedded chart, or of the user's
	Exposure   []*unstructured.Unstructured // ingress objects, created only once the shop is installed
	Deferred   []spec.ObjectRef             // objects that need an Environment and were left out because there was none
}

// Secret describes a Secret whose content is made or given at apply. A plan never sees it.
type Secret struct {
	Object    *unstructured.Unstructured // the Secret without data
	Generated map[string]Alphabet        // key -> alphabet and length of a value that is made once and then kept
	Initial   map[string]string          // key -> value that is not secret and, once it is there, others decide about
	Fixed     map[string]string          // key -> value that is not secret (user and database names)
	Given     map[string]spec.Secret     // key -> value from the specification; empty values are left out
}

// Alphabet describes a generated value.
type Alphabet struct {
	Characters string
	Length     int
}

// ForStore renders a store. A nil environment is an unknown cluster: what depends on it is named in [Blueprint.Deferred]
// instead. A wrong specification is reported as [spec.FieldErrors].
func ForStore(fleet string, s spec.Store, env *Environment) (*Blueprint, error) {
	if msgs := validation.IsValidLabelValue(fleet); fleet == "" || len(msgs) > 0 {
		return nil, fmt.Errorf("fleet %q: must be 1 to 63 letters, digits, '-', '_' or '.', starting and ending with a letter or digit", fleet)
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	s = s.WithDefaults()
	plan, err := s.Plan.Plan()
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", s.Plan.Name(), err)
	}

	r := newRenderer(fleet, s)
	b := &Blueprint{Namespace: object(namespace(fleet, s)), Secrets: r.secrets(), Values: r.values()}
	for _, quota := range quotas(fleet, s, plan) {
		b.Guardrails = append(b.Guardrails, object(quota))
	}
	b.Guardrails = append(b.Guardrails, object(limits(fleet, s, plan)), object(serviceAccount(fleet, s)))
	for _, policy := range r.basePolicies() {
		b.Guardrails = append(b.Guardrails, object(policy))
	}

	if env == nil {
		// Rendered for no cluster in particular, only to know which objects there will be.
		policies, exposure := r.environmental(Environment{IngressPods: &PodSelector{}})
		for _, o := range append(policies, exposure...) {
			b.Deferred = append(b.Deferred, refOf(o))
		}
		return b, nil
	}
	policies, exposure := r.environmental(*env)
	b.Guardrails, b.Exposure = append(b.Guardrails, policies...), exposure
	return b, nil
}

// renderer renders one store, whose defaults are filled in.
type renderer struct {
	fleet  string
	store  spec.Store
	labels map[string]string // of every object
}

func newRenderer(fleet string, s spec.Store) renderer {
	return renderer{fleet: fleet, store: s, labels: objectLabels(fleet, s)}
}

// environmental renders the objects that depend on the cluster.
func (r renderer) environmental(env Environment) (policies, exposure []*unstructured.Unstructured) {
	if r.front().service != "" {
		for _, p := range r.ingressPolicies(env) {
			policies = append(policies, object(p))
		}
		if r.store.Host != "" {
			exposure = append(exposure, object(r.ingress("store", r.store.Host, env)))
		}
	}
	for _, p := range r.egressPolicies(env) {
		policies = append(policies, object(p))
	}
	return policies, exposure
}

// object converts an apply configuration, which holds only the fields that were set.
func object(applyConfiguration any) *unstructured.Unstructured {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(applyConfiguration)
	if err != nil {
		panic(fmt.Sprintf("blueprint: convert %T: %v", applyConfiguration, err)) // plain data: cannot fail
	}
	return &unstructured.Unstructured{Object: content}
}

func refOf(o *unstructured.Unstructured) spec.ObjectRef {
	return spec.ObjectRef{APIVersion: o.GetAPIVersion(), Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName()}
}
