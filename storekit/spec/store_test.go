package spec_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

func shop() spec.WooCommerce {
	return spec.WooCommerce{Title: "Acme", AdminEmail: "shop@acme.example"}
}

func store(change func(*spec.Store)) spec.Store {
	s := spec.Store{Name: "acme", Owner: "team", Engine: shop()}
	change(&s)
	return s
}

func TestStoreValidate(t *testing.T) {
	gold := spec.Plan{Name: "gold", CPU: "1"}
	for name, tc := range map[string]struct {
		reason string
		store  spec.Store
		want   map[string]string // path -> a word that the message must have
	}{
		"good":          {"the least that a store needs", store(func(*spec.Store) {}), nil},
		"preset":        {"a preset by name", store(func(s *spec.Store) { s.Plan = spec.Premium }), nil},
		"name":          {"a namespace is made of it", store(func(s *spec.Store) { s.Name = "Acme_1" }), map[string]string{"name": "DNS label"}},
		"long name":     {"a namespace has at most 63 characters", store(func(s *spec.Store) { s.Name = strings.Repeat("a", 51) }), map[string]string{"name": "50"}},
		"no owner":      {"every store belongs to somebody", store(func(s *spec.Store) { s.Owner = "" }), map[string]string{"owner": "1 to 63"}},
		"owner":         {"an owner is a label value", store(func(s *spec.Store) { s.Owner = "a b" }), map[string]string{"owner": "1 to 63"}},
		"no engine":     {"exactly one engine", store(func(s *spec.Store) { s.Engine = nil }), map[string]string{"engine": "exactly one"}},
		"plan name":     {"a name alone must be a preset", store(func(s *spec.Store) { s.Plan = "huge" }), map[string]string{"plan": "basic, standard, premium"}},
		"small plan":    {"the sum is said", store(func(s *spec.Store) { s.Plan = gold.Ref() }), map[string]string{"plan": "needs 1500m"}},
		"suffix":        {"nobody owns a public suffix", store(func(s *spec.Store) { s.Host = "co.uk" }), map[string]string{"host": "public suffix"}},
		"wildcard":      {"one store must not answer for all", store(func(s *spec.Store) { s.Host = "*.acme.example" }), map[string]string{"host": "wildcard"}},
		"address":       {"a host is a name", store(func(s *spec.Store) { s.Host = "192.0.2.1" }), map[string]string{"host": "IP address"}},
		"scheme":        {"a host is no URL", store(func(s *spec.Store) { s.Host = "https://acme.example" }), map[string]string{"host": "without scheme"}},
		"idn":           {"names of any script are fine", store(func(s *spec.Store) { s.Host = "läden.example" }), nil},
		"egress":        {"two profiles", store(func(s *spec.Store) { s.Egress = "all" }), map[string]string{"egress": "none, web"}},
		"retention":     {"two policies", store(func(s *spec.Store) { s.Retention = "maybe" }), map[string]string{"data_retention": "retain, delete"}},
		"volume":        {"a quantity has units of Kubernetes", store(func(s *spec.Store) { s.Storage.Content = "5GB" }), map[string]string{"storage.content": "quantity"}},
		"negative":      {"a volume is above zero", store(func(s *spec.Store) { s.Storage.Database = "-1Gi" }), map[string]string{"storage.database": "above zero"}},
		"large volume":  {"the plan bounds volumes", store(func(s *spec.Store) { s.Plan = spec.Basic; s.Storage.Content = "21Gi" }), map[string]string{"storage.content": "largest volume", "storage": ""}},
		"email":         {"mail goes there", store(func(s *spec.Store) { e := shop(); e.AdminEmail = "Acme <a@b>"; s.Engine = e }), map[string]string{"woocommerce.admin_email": "email"}},
		"compatibility": {"WooCommerce 11.1 needs WordPress 7.0", store(func(s *spec.Store) { e := shop(); e.WordPress = "6.9.1"; s.Engine = e }), map[string]string{"woocommerce.wordpress_version": "7.0"}},
		"latest": {"a tag that moves is no version", store(func(s *spec.Store) {
			s.Engine = spec.Medusa{Image: "registry.example.com/shop:latest", AdminEmail: "a@acme.example"}
		}), map[string]string{"medusa.image": "latest"}},
		"no tag": {"an image has a tag or a digest", store(func(s *spec.Store) {
			s.Engine = spec.Medusa{Image: "registry.example.com:5000/shop", AdminEmail: "a@acme.example"}
		}), map[string]string{"medusa.image": "exact tag"}},
		"medusa basic": {"Medusa and its worker do not fit the basic plan", store(func(s *spec.Store) {
			s.Plan, s.Engine = spec.Basic, spec.Medusa{Image: "registry.example.com/shop:1.0", AdminEmail: "a@acme.example", Worker: true}
		}), map[string]string{"plan": "worker 1 x"}},
		"no chart":    {"a chart has a source", store(func(s *spec.Store) { s.Engine = spec.Chart{} }), map[string]string{"chart.source": "OCI"}},
		"oci version": {"a chart from a registry has a version", store(func(s *spec.Store) { s.Engine = spec.Chart{Source: "oci://registry.example.com/shop"} }), map[string]string{"chart.version": "exact"}},
		"repository":  {"classic repositories are not supported", store(func(s *spec.Store) { s.Engine = spec.Chart{Source: "https://charts.example.com/shop"} }), map[string]string{"chart.source": "repositories"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := make(map[string]string)
			for _, e := range spec.FieldErrorsOf(tc.store.Validate()) {
				got[e.Path] += e.Error() + "\n"
			}
			for path, word := range tc.want {
				if word != "" && !strings.Contains(got[path], word) {
					t.Errorf("%s: want an error at %s with %q, got %v", tc.reason, path, word, got)
				}
			}
			for path := range got {
				if _, wanted := tc.want[path]; !wanted {
					t.Errorf("%s: unexpected: %s", tc.reason, got[path])
				}
			}
		})
	}
}

func TestPlanValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		change func(*spec.Plan)
		want   string // path, empty = good
	}{
		"preset":       {"the presets are good", func(*spec.Plan) {}, ""},
		"unit":         {"a quantity that does not parse", func(p *spec.Plan) { p.CPU = "two" }, "cpu"},
		"negative":     {"a quantity below zero", func(p *spec.Plan) { p.Memory = "-4Gi" }, "memory"},
		"zero":         {"a plan of nothing", func(p *spec.Plan) { p.Storage = "0" }, "storage"},
		"pods":         {"a plan has pods", func(p *spec.Plan) { p.Pods = -1 }, "pods"},
		"request":      {"a request above its limit", func(p *spec.Plan) { p.Container.RequestCPU = "600m" }, "container.request_cpu"},
		"limit":        {"a container above the plan", func(p *spec.Plan) { p.Container.LimitMemory = "8Gi" }, "container.limit_memory"},
		"large volume": {"a volume above the plan", func(p *spec.Plan) { p.MaxVolume = "51Gi" }, "max_volume"},
	} {
		t.Run(name, func(t *testing.T) {
			p := spec.Plan{Name: spec.Standard}.WithDefaults()
			tc.change(&p)
			var got []string
			for _, e := range spec.FieldErrorsOf(p.Validate()) {
				got = append(got, e.Path)
			}
			var want []string
			if tc.want != "" {
				want = []string{tc.want}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}

func TestPlanRef(t *testing.T) {
	for _, name := range spec.PresetNames() {
		p, _ := spec.Preset(name)
		got, err := p.Ref().Plan()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(p, got); diff != "" {
			t.Errorf("a reference carries the whole plan (-want +got)\n%s", diff)
		}
		if p.Ref().Name() != name {
			t.Errorf("name of %s: %s", p.Ref(), p.Ref().Name())
		}
	}
	if a, b := (spec.Plan{Name: "gold", CPU: "1000m"}).Ref(), (spec.Plan{Name: "gold", CPU: "1"}).Ref(); a != b {
		t.Errorf("1000m is 1: %s, %s", a, b)
	}
}

func FuzzPlanRef(f *testing.F) {
	f.Add("standard")
	f.Add(string(spec.Plan{Name: "gold", CPU: "3"}.Ref()))
	f.Add("gold@cpu=,pods=x,,")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := spec.PlanRef(text).Plan()
		if err != nil {
			return
		}
		again, err := p.Ref().Plan()
		if err != nil || again.Ref() != p.Ref() {
			t.Errorf("%q: %q does not stay itself: %v", text, p.Ref(), err)
		}
	})
}

func TestStoreJSON(t *testing.T) {
	const canary = "CANARY"
	for name, engine := range map[string]spec.Engine{
		"woocommerce": spec.WooCommerce{Title: "A", AdminEmail: "a@b.example", AdminPassword: canary, SMTP: &spec.SMTP{Host: "mail.example", From: "a@b.example", Password: canary}},
		"medusa":      spec.Medusa{Image: "x:1", AdminEmail: "a@b.example", AdminPassword: canary, CORS: []string{"https://a.example"}},
		"chart":       spec.Chart{Source: "./chart", Values: map[string]any{"a": "b"}, Username: "u", Password: canary},
	} {
		s := spec.Store{Name: "acme", Owner: "team", Host: "shop.acme.example", AllowDeletion: true, Engine: engine}.WithDefaults()
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if printed := fmt.Sprintf("%s %v %+v %#v", data, s, s, s); strings.Contains(printed, canary) {
			t.Errorf("%s: a secret is shown: %s", name, printed)
		}
		var back spec.Store
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(back)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(data), string(again)); diff != "" {
			t.Errorf("%s: what is recorded is read back (-want +got)\n%s", name, diff)
		}
		if back.Engine.Kind() != engine.Kind() {
			t.Errorf("%s: engine %s", name, back.Engine.Kind())
		}
	}
}

func TestChartValuesAreReadBackAsTheyWere(t *testing.T) {
	values := map[string]any{
		"id": int64(9007199254740993), "replicas": int64(1000000), "ratio": 1.5, "list": []any{int64(-1), map[string]any{"b": int64(2)}}, "text": "1",
	}
	data, err := json.Marshal(spec.Store{Engine: spec.Chart{Source: "shop", Values: values}})
	if err != nil {
		t.Fatal(err)
	}
	var back spec.Store
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	chart, _ := back.Engine.(spec.Chart)
	if diff := cmp.Diff(values, chart.Values); diff != "" {
		t.Errorf("an identifier above 2^53 would come back as another one (-want +got):\n%s", diff)
	}
}

func TestNormalHost(t *testing.T) {
	for in, want := range map[string]string{
		"Shop.Example.COM.": "shop.example.com",
		"läden.example":     "xn--lden-loa.example",
		"bad host":          "bad host",
	} {
		if got := spec.NormalHost(in); got != want {
			t.Errorf("NormalHost(%q): want %q, got %q", in, want, got)
		}
	}
}

func TestStoreWarnings(t *testing.T) {
	t.Parallel()
	const mail, source = "woocommerce.smtp", "woocommerce.plugin_source"
	relay := &spec.SMTP{Host: "mail.acme.example"}
	for name, tc := range map[string]struct {
		reason string
		engine spec.Engine
		egress spec.Egress
		want   []string // paths
	}{
		"no relay":      {"a shop without mail is found out by its first customer", spec.WooCommerce{Title: "Acme"}, "", []string{mail}},
		"relay":         {"it sends mail", spec.WooCommerce{SMTP: relay}, "", nil},
		"shut in":       {"no policy lets mail out", spec.WooCommerce{SMTP: relay}, spec.EgressNone, []string{mail}},
		"private relay": {"private addresses are out of reach", spec.WooCommerce{SMTP: &spec.SMTP{Host: "10.0.0.25"}}, "", []string{mail}},
		"mirror":        {"policies open 443", spec.WooCommerce{SMTP: relay, PluginSource: "https://mirror.example/woo.%s.zip"}, "", nil},
		"other port":    {"policies do not open 8080", spec.WooCommerce{SMTP: relay, PluginSource: "http://mirror.example:8080/woo.%s.zip"}, "", []string{source}},
		"port of mail":  {"that is open for mail", spec.WooCommerce{SMTP: &spec.SMTP{Host: "mail.acme.example", Port: 8080}, PluginSource: "http://mirror.example:8080/w.zip"}, "", nil},
		"plain":         {"80 is open in this profile", spec.WooCommerce{SMTP: relay, PluginSource: "http://mirror.example/woo.zip"}, "", nil},
		"plain shut in": {"the setup gets 443 alone", spec.WooCommerce{PluginSource: "http://mirror.example/woo.zip"}, spec.EgressNone, []string{source, mail}},
		"private":       {"a literal can be judged", spec.WooCommerce{SMTP: relay, PluginSource: "https://[fd00::1]/woo.zip"}, "", []string{source}},
		"medusa":        {"its image decides about mail", spec.Medusa{}, "", nil},
		"none":          {"nothing is known yet", nil, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := slices.Sorted(maps.Keys(spec.Store{Engine: tc.engine, Egress: tc.egress}.Warnings()))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
