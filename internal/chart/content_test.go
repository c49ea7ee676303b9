package chart_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// TestSecretsStayOut puts a canary into every secret input and looks for it in everything that Helm would record.
func TestSecretsStayOut(t *testing.T) {
	const canary = "c4n4ry"
	shop := woo()
	shop.AdminPassword, shop.SMTP.Password = canary, canary
	backend := medusa(true, true)
	backend.AdminPassword = canary
	for _, engine := range []spec.Engine{shop, backend} {
		b := blueprintOf(t, store(engine))
		for what, v := range map[string]any{"values": b.Values, "objects": render(t, b.Values)} {
			if strings.Contains(asJSON(t, v), canary) {
				t.Errorf("%s: a secret is in the %s", engine.Kind(), what)
			}
		}
	}
}

// TestUserText checks that a title that is code in every language on its way stays a title.
func TestUserText(t *testing.T) {
	const title = "$(WORDPRESS_DB_PASSWORD) {{ .Values.labels }} '; DROP TABLE wp_posts; -- \"`id`\" <?php ?>\n- x: y"
	shop := woo()
	shop.Title = title
	for _, o := range render(t, blueprintOf(t, store(shop)).Values) {
		if o.GetKind() == "ConfigMap" && o.GetName() == "settings" {
			if got := typed[corev1.ConfigMap](t, o).Data["SHOP_TITLE"]; got != title {
				t.Errorf("title is %q, want %q", got, title)
			}
			continue
		}
		if strings.Contains(asJSON(t, o), "DROP TABLE") {
			t.Errorf("%s %s: holds the title; only a ConfigMap may, because Kubernetes expands $(…) elsewhere", o.GetKind(), o.GetName())
		}
	}
}

// TestJobNames checks that a Job gets a new name exactly when it has something new to do.
func TestJobNames(t *testing.T) {
	wooWith := func(change func(*spec.WooCommerce)) spec.Store {
		engine := woo()
		change(&engine)
		return store(engine)
	}
	larger := store(woo())
	larger.Plan = spec.Premium
	image := medusa(true, true)
	image.Image = "registry.example.com/shop:1.4.3"
	rotated := func(s spec.Store) spec.Store {
		s.Rotation = "2026-11"
		return s
	}
	tests := map[string]struct {
		reason    string
		was, is   spec.Store
		different bool
	}{
		"same":      {"Nothing changed.", store(woo()), store(woo()), false},
		"plan":      {"A larger plan installs nothing.", store(woo()), larger, false},
		"plugin":    {"Another WooCommerce must be installed.", store(woo()), wooWith(func(w *spec.WooCommerce) { w.Version = "11.1.1" }), true},
		"wordpress": {"Another WordPress may change its tables.", store(woo()), wooWith(func(w *spec.WooCommerce) { w.WordPress = "7.0.1" }), true},
		"title":     {"The title is written by the Job.", store(woo()), wooWith(func(w *spec.WooCommerce) { w.Title = "Acme 2" }), true},
		"password":  {"A secret leaves no trace, not even a changed name.", store(woo()), wooWith(func(w *spec.WooCommerce) { w.AdminPassword = "x" }), false},
		"image":     {"A new Medusa brings migrations.", store(medusa(true, true)), store(image), true},
		"rotation":  {"The administrator gets another password.", store(woo()), rotated(store(woo())), true},
		"rotation of medusa": {
			"The administrator gets another password.", store(medusa(true, true)), rotated(store(medusa(true, true))), true,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			was, is := jobName(t, tc.was), jobName(t, tc.is)
			if (was != is) != tc.different {
				t.Errorf("%s: was %s, is %s", tc.reason, was, is)
			}
		})
	}
}

func jobName(t *testing.T, s spec.Store) string {
	t.Helper()
	for _, o := range render(t, blueprintOf(t, s).Values) {
		if o.GetKind() == "Job" {
			return o.GetName()
		}
	}
	t.Fatal("no Job")
	return ""
}

// TestRotation checks which pods are made anew when passwords change: all that read that of the database when they start, and nothing
// that holds data.
func TestRotation(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		engine spec.Engine
		want   []string
	}{
		"woocommerce": {"Whatever runs PHP reads the password anew, and the database needs none.", woo(), []string{"CronJob/cron", "Deployment/web", "Job"}},
		"medusa":      {"The cache keeps sessions, and its password stays.", medusa(true, true), []string{"Deployment/server", "Deployment/worker", "Job"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := store(tc.engine)
			s.Rotation = "2026-11 $(X) {{ .Values.labels }}"
			var got []string
			for _, w := range workloads(t, render(t, blueprintOf(t, s).Values)) {
				switch value, marked := w.template.Annotations[blueprint.AnnotationRotation]; {
				case marked && value != s.Rotation:
					t.Errorf("%s: marked %q, want %q", w.ref, value, s.Rotation)
				case marked && strings.HasPrefix(w.ref, "Job/"):
					got = append(got, "Job")
				case marked:
					got = append(got, w.ref)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s Workloads that a rotation makes anew (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestServersWaitForTheirMigrations checks that the name that Medusa's pods wait for is that of the Job.
func TestServersWaitForTheirMigrations(t *testing.T) {
	s := store(medusa(true, false))
	job, waiting := jobName(t, s), 0
	for _, w := range workloads(t, render(t, blueprintOf(t, s).Values)) {
		for _, c := range w.template.Spec.InitContainers {
			if c.Name == "migrations" {
				waiting++
				if c.Env[0].Value != job {
					t.Errorf("%s waits for %q, the Job is %q", w.ref, c.Env[0].Value, job)
				}
			}
		}
	}
	if waiting != 2 {
		t.Errorf("%d workloads wait for the migrations, want server and worker", waiting)
	}
}

// TestPostgresData checks where the volume lies: PostgreSQL 18 moved it, and exits at once where it is mounted as before.
func TestPostgresData(t *testing.T) {
	tests := map[string]struct {
		reason, mount, pgdata string
		major                 int64
	}{
		"17": {"initdb refuses a bare mount point.", "/var/lib/postgresql/data", "/var/lib/postgresql/data/pgdata", 17},
		"18": {"docker-library/postgres#1259.", "/var/lib/postgresql", "", 18},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			values := blueprintOf(t, store(medusa(false, false))).Values
			medusa, ok := values["medusa"].(map[string]any)
			if !ok {
				t.Fatalf("values of medusa: %v", values["medusa"])
			}
			medusa["postgresMajor"] = tc.major
			container := databaseOf(t, render(t, values))
			mount, pgdata := "", ""
			for _, m := range container.VolumeMounts {
				if m.Name == "data" {
					mount = m.MountPath
				}
			}
			for _, e := range container.Env {
				if e.Name == "PGDATA" {
					pgdata = e.Value
				}
			}
			if mount != tc.mount || pgdata != tc.pgdata {
				t.Errorf("%s mounted at %q with PGDATA %q, want %q and %q", tc.reason, mount, pgdata, tc.mount, tc.pgdata)
			}
		})
	}
}

func databaseOf(t *testing.T, objects []*unstructured.Unstructured) corev1.Container {
	t.Helper()
	for _, o := range objects {
		if o.GetKind() == "StatefulSet" {
			return typed[appsv1.StatefulSet](t, o).Spec.Template.Spec.Containers[0]
		}
	}
	t.Fatal("no StatefulSet")
	return corev1.Container{}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
