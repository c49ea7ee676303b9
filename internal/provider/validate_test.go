package provider

import (
	"strings"
	"testing"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// storeFields is a valid store, with changes. A change to nil leaves the attribute out.
func storeFields(changes fields) fields {
	out := fields{"name": "acme", "owner": "team", "woocommerce": fields{"title": "Acme", "admin_email": "a@acme.example"}}
	for name, change := range changes {
		out[name] = change
	}
	return out
}

func wooCommerceFields(changes fields) fields {
	engine := fields{"title": "Acme", "admin_email": "a@acme.example"}
	for name, change := range changes {
		engine[name] = change
	}
	return storeFields(fields{"woocommerce": engine})
}

func medusaFields(changes fields) fields {
	engine := fields{"image": "registry.acme.example/shop:1.0.0", "admin_email": "a@acme.example"}
	for name, change := range changes {
		engine[name] = change
	}
	return storeFields(fields{"woocommerce": nil, "medusa": engine})
}

func chartFields(changes fields) fields {
	engine := fields{"source": "./chart"}
	for name, change := range changes {
		engine[name] = change
	}
	return storeFields(fields{"woocommerce": nil, "chart": engine})
}

func TestBadInputIsRefusedAtValidate(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	small, _ := spec.Preset(spec.Basic)
	small.Name, small.CPU, small.Memory, small.Pods = "tiny", "500m", "512Mi", 1
	tiny := string(small.Ref())
	for name, test := range map[string]struct {
		typeName string
		config   fields
		want     []string // attribute, value, what is allowed; none = accepted
	}{
		"good store":            {"store", storeFields(nil), nil},
		"good medusa":           {"store", medusaFields(nil), nil},
		"good chart":            {"store", chartFields(nil), nil},
		"name with capitals":    {"store", storeFields(fields{"name": "Acme"}), []string{`name = "Acme"`, "DNS label"}},
		"name with a dot":       {"store", storeFields(fields{"name": "a.b"}), []string{`name = "a.b"`, "DNS label"}},
		"long name":             {"store", storeFields(fields{"name": strings.Repeat("a", 51)}), []string{"name", "at most 50"}},
		"bad owner":             {"store", storeFields(fields{"owner": "a b"}), []string{`owner = "a b"`, "63"}},
		"unknown preset":        {"store", storeFields(fields{"plan": "huge"}), []string{`plan = "huge"`, "basic, standard, premium", "storeplatform_plan"}},
		"plan too small":        {"store", storeFields(fields{"plan": tiny}), []string{"plan", "tiny", "500m", "web 2 x 500m", "database 1 x 500m"}},
		"host with scheme":      {"store", storeFields(fields{"host": "https://a.example.com"}), []string{"host", "https://a.example.com", "without scheme"}},
		"host is a suffix":      {"store", storeFields(fields{"host": "co.uk"}), []string{`host = "co.uk"`, "public suffix"}},
		"wildcard host":         {"store", storeFields(fields{"host": "*.example.com"}), []string{"host", "wildcard"}},
		"empty host":            {"store", storeFields(fields{"host": ""}), []string{"host", "at least 1"}},
		"empty plan":            {"store", storeFields(fields{"plan": ""}), []string{"plan", "at least 1"}},
		"empty egress":          {"store", storeFields(fields{"egress": ""}), []string{"egress", "at least 1"}},
		"bad egress":            {"store", storeFields(fields{"egress": "all"}), []string{`egress = "all"`, "none, web"}},
		"bad retention":         {"store", storeFields(fields{"data_retention": "keep"}), []string{`data_retention = "keep"`, "retain, delete"}},
		"storage no quantity":   {"store", storeFields(fields{"storage": fields{"content": "much"}}), []string{`storage.content = "much"`, "Kubernetes quantity"}},
		"negative storage":      {"store", storeFields(fields{"storage": fields{"database": "-1Gi"}}), []string{`storage.database = "-1Gi"`, "above zero"}},
		"storage above plan":    {"store", storeFields(fields{"storage": fields{"content": "60Gi"}}), []string{"storage.content", "60Gi", "50Gi"}},
		"no engine":             {"store", storeFields(fields{"woocommerce": nil}), []string{"Missing Engine", "woocommerce, medusa and chart"}},
		"two engines":           {"store", storeFields(fields{"chart": fields{"source": "./c"}}), []string{"Conflicting Engines", "woocommerce and chart"}},
		"no title":              {"store", wooCommerceFields(fields{"title": ""}), []string{"woocommerce.title", "1 to 200"}},
		"bad email":             {"store", wooCommerceFields(fields{"admin_email": "nobody"}), []string{`woocommerce.admin_email = "nobody"`, "email address"}},
		"bad user":              {"store", wooCommerceFields(fields{"admin_user": "Root!"}), []string{"woocommerce.admin_user", "Root!", "lower case"}},
		"bad locale":            {"store", wooCommerceFields(fields{"locale": "german"}), []string{"woocommerce.locale", "german", "de_DE"}},
		"inexact version":       {"store", wooCommerceFields(fields{"version": "latest"}), []string{"woocommerce.version", "latest", "exact version"}},
		"WordPress too old":     {"store", wooCommerceFields(fields{"wordpress_version": "6.4"}), []string{"woocommerce.wordpress_version", "6.4", "7.0"}},
		"plugin no URL":         {"store", wooCommerceFields(fields{"plugin_source": "file:///x"}), []string{"woocommerce.plugin_source", "https"}},
		"bad checksum":          {"store", wooCommerceFields(fields{"plugin_sha256": "abc"}), []string{"woocommerce.plugin_sha256", "abc", "64"}},
		"smtp without host":     {"store", wooCommerceFields(fields{"smtp": fields{"host": "", "from": "a@acme.example"}}), []string{"woocommerce.smtp.host"}},
		"smtp port":             {"store", wooCommerceFields(fields{"smtp": fields{"host": "m.example", "from": "a@acme.example", "port": 70000}}), []string{"woocommerce.smtp.port", "65535"}},
		"image without tag":     {"store", medusaFields(fields{"image": "shop"}), []string{`medusa.image = "shop"`, "exact tag"}},
		"image latest":          {"store", medusaFields(fields{"image": "shop:latest"}), []string{"medusa.image", "latest"}},
		"cors with a path":      {"store", medusaFields(fields{"cors": []any{"https://a.example/x"}}), []string{"medusa.cors", "https://a.example/x", "origin"}},
		"chart missing":         {"store", chartFields(fields{"source": ""}), []string{"chart.source", "directory"}},
		"chart repository":      {"store", chartFields(fields{"source": "https://charts.example.com/shop"}), []string{"chart.source", "OCI"}},
		"OCI without version":   {"store", chartFields(fields{"source": "oci://x.example/c"}), []string{"chart.version", "exact version"}},
		"values no object":      {"store", chartFields(fields{"values": "[1]"}), []string{"chart.values", "YAML or JSON object"}},
		"chart port":            {"store", chartFields(fields{"port": 0}), []string{"chart.port", "at least 1"}},
		"timeout":               {"store", storeFields(fields{"timeouts": fields{"create": "-1m"}}), []string{"timeouts.create", "-1m", "above zero"}},
		"unknown plan":          {"store", storeFields(fields{"plan": unknown{}, "storage": fields{"content": "60Gi"}}), nil},
		"unknown everything":    {"store", fields{"name": unknown{}, "owner": unknown{}, "plan": unknown{}, "host": unknown{}, "storage": unknown{}, "egress": unknown{}, "data_retention": unknown{}, "medusa": unknown{}}, nil},
		"unknown within":        {"store", wooCommerceFields(fields{"title": unknown{}, "admin_email": unknown{}, "version": unknown{}, "wordpress_version": "6.4", "smtp": unknown{}}), nil},
		"unknown beside wrong":  {"store", storeFields(fields{"name": unknown{}, "egress": "all"}), []string{"egress"}},
		"owner of the provider": {"store", storeFields(fields{"owner": nil}), nil},

		"good plan":          {"plan", fields{"name": "gold"}, nil},
		"plan name":          {"plan", fields{"name": "Gold"}, []string{`name = "Gold"`, "DNS label"}},
		"preset":             {"plan", fields{"name": "gold", "preset": "huge"}, []string{`preset = "huge"`, "basic, standard, premium"}},
		"cpu no quantity":    {"plan", fields{"name": "gold", "cpu": "two"}, []string{`cpu = "two"`, "Kubernetes quantity"}},
		"negative memory":    {"plan", fields{"name": "gold", "memory": "-4Gi"}, []string{`memory = "-4Gi"`, "above zero"}},
		"empty cpu":          {"plan", fields{"name": "gold", "cpu": ""}, []string{"cpu", "empty string"}},
		"no pods":            {"plan", fields{"name": "gold", "pods": 0}, []string{"pods", "at least 1"}},
		"limit below":        {"plan", fields{"name": "gold", "container": fields{"request_cpu": "2", "limit_cpu": "1"}}, []string{"container.request_cpu", "2", "container.limit_cpu (1)"}},
		"limit above plan":   {"plan", fields{"name": "gold", "cpu": "100m"}, []string{"container.limit_cpu", "cpu (100m)"}},
		"volume above plan":  {"plan", fields{"name": "gold", "storage": "10Gi"}, []string{"max_volume", "storage (10Gi)"}},
		"unknown limit":      {"plan", fields{"name": "gold", "container": fields{"request_cpu": "2", "limit_cpu": unknown{}}}, nil},
		"unknown preset too": {"plan", fields{"name": "gold", "preset": unknown{}, "cpu": "x"}, nil},

		"good domain":       {"domain", fields{"store": "acme", "host": "shop.example.com"}, nil},
		"suffix":            {"domain", fields{"store": "acme", "host": "co.uk"}, []string{`host = "co.uk"`, "public suffix"}},
		"address":           {"domain", fields{"store": "acme", "host": "192.0.2.1"}, []string{"host", "192.0.2.1", "not an IP address"}},
		"port":              {"domain", fields{"store": "acme", "host": "a.example.com:8080"}, []string{"host", "a.example.com:8080"}},
		"wildcard":          {"domain", fields{"store": "acme", "host": "*.example.com"}, []string{"host", "wildcard"}},
		"store name":        {"domain", fields{"store": "A", "host": "a.example.com"}, []string{`store = "A"`, "DNS label"}},
		"unknown in domain": {"domain", fields{"store": unknown{}, "host": unknown{}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := h.validate("storeplatform_"+test.typeName, test.config)
			if len(test.want) == 0 && got != "" {
				t.Errorf("refused:\n%s", got)
			}
			if len(test.want) > 0 && !strings.Contains(got, "ERROR") {
				t.Error("accepted")
			}
			for _, part := range test.want {
				if !strings.Contains(got, part) {
					t.Errorf("the message does not say %q:\n%s", part, got)
				}
			}
		})
	}
}
