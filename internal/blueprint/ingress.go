package blueprint

import (
	"crypto/sha256"
	"encoding/hex"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Ports on which the pods of the embedded engines listen.
const (
	webPort      = 8080 // Apache; 80 is refused to a process without root (docker-library/wordpress#528)
	serverPort   = 9000 // Medusa
	mariadbPort  = 3306
	postgresPort = 5432
	cachePort    = 6379
)

// front is where visitors of a store arrive.
type front struct {
	service   string
	port      *networkingv1ac.ServiceBackendPortApplyConfiguration
	component string // pods behind the Service; empty = only a chart of the user's own knows
	target    int    // their port
}

// front returns the entrance of the store; its service is empty when a chart names none.
func (r renderer) front() front {
	named := networkingv1ac.ServiceBackendPort().WithName("http")
	switch engine := r.store.Engine.(type) {
	case spec.Chart:
		return front{engine.Service, networkingv1ac.ServiceBackendPort().WithNumber(int32(engine.Port)), "", engine.Target} //nolint:gosec // validated
	case spec.Medusa:
		return front{"web", named, componentServer, serverPort}
	default:
		return front{"web", named, componentWeb, webPort}
	}
}

// ForDomain renders the Ingress that binds one more host to a store. It is to be created only once the shop is installed: an
// exposed installer can be claimed by anyone. It is nil for a chart that names no Service.
func ForDomain(fleet string, d spec.Domain, s spec.Store, env Environment) *unstructured.Unstructured {
	r := newRenderer(fleet, s.WithDefaults())
	if r.front().service == "" {
		return nil
	}
	host := spec.NormalHost(d.Host)
	return object(r.ingress(domainIngressName(host), host, env).WithAnnotations(map[string]string{AnnotationHost: host}))
}

// domainIngressName is derived from the host, so that binding a host twice meets the same object.
func domainIngressName(host string) string {
	sum := sha256.Sum256([]byte(host))
	return "domain-" + hex.EncodeToString(sum[:])[:10]
}

func (r renderer) ingress(name, host string, env Environment) *networkingv1ac.IngressApplyConfiguration {
	front := r.front()
	backend := networkingv1ac.IngressBackend().
		WithService(networkingv1ac.IngressServiceBackend().WithName(front.service).WithPort(front.port))
	ingress := networkingv1ac.IngressSpec().WithRules(networkingv1ac.IngressRule().
		WithHost(host).
		WithHTTP(networkingv1ac.HTTPIngressRuleValue().
			WithPaths(networkingv1ac.HTTPIngressPath().
				WithPath("/").
				WithPathType(networkingv1.PathTypePrefix).
				WithBackend(backend))))
	if env.IngressClass != "" {
		ingress.WithIngressClassName(env.IngressClass)
	}
	return networkingv1ac.Ingress(name, r.store.Namespace()).WithLabels(r.labels).WithSpec(ingress)
}
