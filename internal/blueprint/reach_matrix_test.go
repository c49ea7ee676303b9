package blueprint

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// everybody is whom a store's pods could meet. What a store's engine does not have stands for a pod that somebody smuggled in.
var everybody = map[string]party{
	"web": webPod, "server": serverPod, "worker": workerPod, "database": databasePod, "cache": cachePod, "job": jobPod, "solver": solverPod,
	"controller": traefik, "tenant": foreignWeb, "dns": coreDNS, "internet": shopify, "metadata": metadata, "node": nodeExternal, "api": apiServer,
}

// everyPort has those that something listens on here, and those that something bad would ask for.
var everyPort = []int{22, 25, 53, 80, 443, 587, 2379, 3306, 5432, 6379, 6443, 8080, 8089, 9000, 10250}

// TestReachOfEveryPair lists every connection that the policies of a store allow. Each pair, port and protocol that is not listed is
// refused.
func TestReachOfEveryPair(t *testing.T) {
	for name, tc := range map[string]struct {
		engine spec.Engine
		want   []string
	}{
		"woocommerce": {woo(), []string{
			"cache -> dns: tcp 53, udp 53",
			"controller -> solver: tcp 8089",
			"controller -> web: tcp 8080",
			"database -> dns: tcp 53, udp 53",
			"job -> database: tcp 3306",
			"job -> dns: tcp 53, udp 53",
			"job -> internet: tcp 80, tcp 443, tcp 587",
			"job -> web: tcp 8080",
			"server -> dns: tcp 53, udp 53",
			"server -> internet: tcp 80, tcp 443, tcp 587",
			"solver -> dns: tcp 53, udp 53",
			"web -> database: tcp 3306",
			"web -> dns: tcp 53, udp 53",
			"web -> internet: tcp 80, tcp 443, tcp 587",
			"worker -> dns: tcp 53, udp 53",
			"worker -> internet: tcp 80, tcp 443, tcp 587",
		}},
		"medusa": {medusa(), []string{
			"cache -> dns: tcp 53, udp 53",
			"controller -> server: tcp 9000",
			"controller -> solver: tcp 8089",
			"database -> dns: tcp 53, udp 53",
			"job -> cache: tcp 6379",
			"job -> database: tcp 5432",
			"job -> dns: tcp 53, udp 53",
			"job -> internet: tcp 80, tcp 443, tcp 587",
			"job -> server: tcp 9000",
			"server -> cache: tcp 6379",
			"server -> database: tcp 5432",
			"server -> dns: tcp 53, udp 53",
			"server -> internet: tcp 80, tcp 443, tcp 587",
			"solver -> dns: tcp 53, udp 53",
			"web -> dns: tcp 53, udp 53",
			"web -> internet: tcp 80, tcp 443, tcp 587",
			"worker -> cache: tcp 6379",
			"worker -> database: tcp 5432",
			"worker -> dns: tcp 53, udp 53",
			"worker -> internet: tcp 80, tcp 443, tcp 587",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := ForStore("production", store(tc.engine), k3s())
			if err != nil {
				t.Fatal(err)
			}
			all := policiesOf(t, b.Guardrails)
			var got []string
			for fromName, from := range everybody {
				for toName, to := range everybody {
					if fromName == toName || from.namespace != all[0].Namespace && to.namespace != all[0].Namespace {
						continue // no business of these policies
					}
					var open []string
					for _, port := range everyPort {
						for _, protocol := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP} {
							if all.allow(from, to, protocol, port) {
								open = append(open, fmt.Sprintf("%s %d", strings.ToLower(string(protocol)), port))
							}
						}
					}
					if len(open) > 0 {
						got = append(got, fmt.Sprintf("%s -> %s: %s", fromName, toName, strings.Join(open, ", ")))
					}
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("connections that are allowed (-want +got):\n%s", diff)
			}
		})
	}
}
