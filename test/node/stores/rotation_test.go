package stores_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// rotating is what the engines differ in.
type rotating struct {
	reason string
	store  func(t *testing.T) spec.Store
	visit  string // path that no shop answers without its database
	users  [2]string
	login  func(ctx context.Context, v *visitor, admin map[string]string) (bool, error)
	ask    string // logs in at the database with $DATABASE_USER and $DATABASE_PASSWORD and says as whom it works there
}

func TestRotation(t *testing.T) {
	client := connect(t)
	for name, tc := range map[string]rotating{
		"woocommerce": {
			reason: "WordPress reads its password at every request",
			store: func(t *testing.T) spec.Store {
				plugin := startPluginServer(t, spec.WooCommerceVersion)
				return spec.Store{Plan: spec.Standard, Engine: spec.WooCommerce{
					Title: "Turn", AdminEmail: "shop@acme.example", PluginSource: plugin.source, PluginSHA256: plugin.sha256,
				}}
			},
			visit: "/wp-json/wc/store/v1/products?per_page=1",
			users: [2]string{"wordpress", "wordpress_b"},
			login: logInToWordPress,
			ask:   `MYSQL_PWD=$DATABASE_PASSWORD mariadb --host=database --user="$DATABASE_USER" --batch --skip-column-names --execute="SELECT USER()" wordpress`,
		},
		"medusa": {
			reason: "Medusa reads its password when it starts",
			store: func(t *testing.T) spec.Store {
				if _, err := exec.LookPath("npm"); err != nil {
					t.Skip("There is no image of Medusa: it is built with Node.js and npm, which this machine lacks.")
				}
				return spec.Store{Plan: spec.Premium, Engine: spec.Medusa{
					Image: "registry.example.com/stores/medusa:2.21.2", AdminEmail: "shop@acme.example", Cache: true, Worker: true,
				}}
			},
			visit: "/store/products?limit=1",
			users: [2]string{"medusa", "medusa_b"},
			login: logInToMedusa,
			ask: `PGPASSWORD=$DATABASE_PASSWORD psql --no-psqlrc --tuples-only --no-align --host=database --username="$DATABASE_USER" --dbname=medusa ` +
				`--command="SELECT session_user || ' as ' || current_user"`,
		},
	} {
		t.Run(name, func(t *testing.T) { rotate(t, client, tc) })
	}
}

// rotate makes a store and rotates it twice, from each of its two users to the other, while a visitor looks at it.
func rotate(t *testing.T, client kubernetes.Interface, tc rotating) {
	s := tc.store(t)
	s.Name, s.Owner, s.Host, s.AllowDeletion, s.Retention = "turn", "team", "turn.acme.example", true, spec.DeleteData
	fleet := connectFleet(t, "rotation")
	t.Cleanup(func() { destroyFleet(t, fleet) })
	up(t, fleet, s)
	shop := newVisitor(t, s.Host)
	visit := func(ctx context.Context) error {
		got, err := shop.do(ctx, http.MethodGet, tc.visit, nil, map[string]string{"x-publishable-api-key": "none"})
		if err == nil && got.status != http.StatusOK && got.status != http.StatusBadRequest { // Medusa has looked the key up and not found it
			return fmt.Errorf("GET %s: status %d: %.100q", tc.visit, got.status, got.body)
		}
		return err
	}
	eventually(t, "The shop", visit)

	for round, rotation := range []string{"2026-11", "2026-12"} {
		must(t, rotation, func(t *testing.T) {
			state, err := fleet.Get(t.Context(), s.Name)
			if err != nil {
				t.Fatalf("Read the store: %v", err)
			}
			before, oldAdmin := secretOf(t, client, s.Namespace(), "credentials"), administrator(t, client, s.Namespace())
			commands, visits := watchCommands(t), startVisits(t, visit)
			next := state.Spec
			next.Rotation = rotation
			begun := time.Now()
			up(t, fleet, next)
			took := time.Since(begun)
			visits.stop()
			commands.stop()
			t.Logf("The rotation took %.0f s. %s.", took.Seconds(), visits)
			for _, failure := range visits.failures {
				t.Errorf("%s: a request failed: %v", tc.reason, failure)
			}

			after, admin := secretOf(t, client, s.Namespace(), "credentials"), administrator(t, client, s.Namespace())
			former, current := tc.users[round], tc.users[1-round]
			if before["database-user"] != former || after["database-user"] != current {
				t.Errorf("The shop logged in as %s and does as %s, want %s and %s", before["database-user"], after["database-user"], former, current)
			}
			said := askDatabase(t, client, s, tc.ask, before)
			if !strings.Contains(said, "denied") && !strings.Contains(said, "failed") && !strings.Contains(said, "not permitted") {
				t.Errorf("The database lets the former user in, it says: %s", said)
			}
			t.Logf("The database says to the former user: %s", said)
			said = askDatabase(t, client, s, tc.ask, after)
			if !strings.HasPrefix(said, current) {
				t.Errorf("The database says to the current user: %s", said)
			}
			for _, one := range []struct {
				who   string
				admin map[string]string
				letIn bool
			}{{"the former password", oldAdmin, false}, {"the new password", admin, true}} {
				in, err := tc.login(t.Context(), newVisitor(t, s.Host), one.admin)
				if err != nil || in != one.letIn {
					t.Errorf("The administrator logs in with %s: %t (error %v), want %t", one.who, in, err, one.letIn)
				}
			}
			secrets := map[string]string{"former administrator": oldAdmin["password"], "administrator": admin["password"]}
			for key, value := range before {
				secrets["former "+key] = value
			}
			for key, value := range after {
				secrets[key] = value
			}
			delete(secrets, "database-user")
			delete(secrets, "former database-user")
			for where, text := range map[string]string{"a command line": commands.text(), "a Job, a pod or an event": objectsOf(t, client, s.Namespace()), "a log": logsOf(t, client, s.Namespace())} {
				for name, value := range secrets {
					if strings.Contains(text, value) {
						t.Errorf("The %s is in %s", name, where)
					}
				}
			}
			t.Logf("%d command lines, %d Secret values looked for.", len(commands.seen), len(secrets))
		})
	}
}

// providerFleet is the one that the provider works on when nothing else is said.
const providerFleet = "default"

func connectFleet(t *testing.T, name string) *storekit.Fleet {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv(kubeconfigVariable))
	if err != nil {
		t.Fatalf("Read kubeconfig: %v", err)
	}
	client, err := storekit.Connect(config, storekit.WithDNSServers(os.Getenv(dnsVariable)))
	if err != nil {
		t.Fatalf("Connect: %v", err)
	}
	return client.Fleet(name)
}

// up applies one store.
func up(t *testing.T, fleet *storekit.Fleet, s spec.Store) {
	t.Helper()
	var program storekit.Program
	program.AddStore(s)
	preview, err := fleet.Preview(t.Context(), &program, storekit.NoPrune())
	if err != nil {
		t.Fatalf("Preview: %v", err)
	}
	var said bytes.Buffer
	if _, err := fleet.Up(t.Context(), preview, storekit.NoPrune(), storekit.Timeout(10*time.Minute), storekit.Progress(&said)); err != nil {
		t.Fatalf("Up: %v\n%s", err, said.String())
	}
	fleet.Forget()
	if preview, err = fleet.Preview(t.Context(), &program, storekit.NoPrune()); err != nil || !preview.Empty() {
		t.Errorf("There is still something to do (error %v):\n%s", err, preview)
	}
}

// destroyFleet runs when the context of the test has ended.
func destroyFleet(t *testing.T, fleet *storekit.Fleet) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	fleet.Forget()
	if _, err := fleet.Destroy(ctx, storekit.Timeout(3*time.Minute)); err != nil {
		t.Errorf("Destroy: %v", err)
	}
}

// secretOf reads a Secret.
func secretOf(t *testing.T, client kubernetes.Interface, namespace, name string) map[string]string {
	t.Helper()
	secret, err := client.CoreV1().Secrets(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatalf("Read Secret %s: %v", name, err)
	}
	out := map[string]string{}
	for key, value := range secret.Data {
		out[key] = string(value)
	}
	return out
}

// logInToWordPress tells whether the login form lets somebody in.
func logInToWordPress(ctx context.Context, v *visitor, admin map[string]string) (bool, error) {
	if _, err := v.get(ctx, "/wp-login.php"); err != nil { // sets the cookie that WordPress tests for
		return false, err
	}
	home := "https://" + v.host + "/wp-admin/"
	got, err := v.post(ctx, "/wp-login.php", url.Values{"log": {admin["username"]}, "pwd": {admin["password"]}, "redirect_to": {home}})
	return got.status == http.StatusOK && strings.HasPrefix(got.url, home), err
}

// logInToMedusa tells whether the API of the admin pages lets somebody in.
func logInToMedusa(ctx context.Context, v *visitor, admin map[string]string) (bool, error) {
	body := strings.NewReader(fmt.Sprintf(`{"email": %q, "password": %q}`, admin["email"], admin["password"]))
	got, err := v.do(ctx, http.MethodPost, "/auth/user/emailpass", body, map[string]string{"Content-Type": "application/json"})
	if err == nil && got.status != http.StatusOK && got.status != http.StatusUnauthorized {
		err = fmt.Errorf("status %d: %s", got.status, beginning(got.body))
	}
	return got.status == http.StatusOK, err
}

// visits are requests that follow each other up to five times a second: a small shop on a busy machine answers no more.
type visits struct {
	stop     func()
	made     int
	slowest  time.Duration
	failures []error
}

func (v *visits) String() string {
	return fmt.Sprintf("%d requests, %d failed, the slowest took %.1f s", v.made, len(v.failures), v.slowest.Seconds())
}

func startVisits(t *testing.T, visit func(context.Context) error) *visits {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	v := new(visits)
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			begun := time.Now()
			err := visit(context.WithoutCancel(ctx)) // the last one is answered too
			v.made++
			v.slowest = max(v.slowest, time.Since(begun))
			if err != nil {
				v.failures = append(v.failures, fmt.Errorf("%s: %w", begun.Format(time.TimeOnly), err))
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	v.stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	t.Cleanup(v.stop)
	return v
}

// commands are the command lines of all processes that were seen.
type commands struct {
	stop func()
	seen map[string]bool
}

func (c *commands) text() string {
	var out strings.Builder
	for line := range c.seen {
		out.WriteString(line)
		out.WriteByte('\n')
	}
	return out.String()
}

// watchCommands looks at every process again and again, until it is stopped.
func watchCommands(t *testing.T) *commands {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := &commands{seen: map[string]bool{}}
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
			if err != nil {
				return
			}
			for _, file := range lines {
				if line, err := os.ReadFile(file); err == nil { // else it has ended
					c.seen[string(line)] = true
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	c.stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	t.Cleanup(c.stop)
	return c
}

// askDatabase logs in at the database from a pod of the store and returns what it says.
func askDatabase(t *testing.T, client kubernetes.Interface, s spec.Store, ask string, credentials map[string]string) string {
	t.Helper()
	cron, err := client.BatchV1().CronJobs(s.Namespace()).Get(t.Context(), "backup", metav1.GetOptions{})
	if err != nil {
		t.Fatalf("Read the template of Jobs: %v", err)
	}
	secret, err := client.CoreV1().Secrets(s.Namespace()).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "login-"},
		StringData: map[string]string{"DATABASE_USER": credentials["database-user"], "DATABASE_PASSWORD": credentials["database-password"]},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("Create a Secret: %v", err)
	}
	template := cron.Spec.JobTemplate.Spec.Template
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: secret.Name, Labels: template.Labels}, Spec: template.Spec}
	container := &pod.Spec.Containers[0]
	container.Command, container.Args = []string{"/bin/bash", "-c", "{ " + ask + "; } >/dev/termination-log 2>&1 || true"}, nil
	container.EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: secret.Name}}}}
	if _, err := client.CoreV1().Pods(s.Namespace()).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatalf("Create a pod: %v", err)
	}
	var said string
	eventually(t, "The login at the database", func(ctx context.Context) error {
		now, err := client.CoreV1().Pods(s.Namespace()).Get(ctx, pod.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if len(now.Status.ContainerStatuses) == 0 || now.Status.ContainerStatuses[0].State.Terminated == nil {
			return fmt.Errorf("pod %s is %s", pod.Name, now.Status.Phase)
		}
		said = strings.TrimSpace(now.Status.ContainerStatuses[0].State.Terminated.Message)
		return nil
	})
	return said
}

// objectsOf is everything that may be read without reading Secrets.
func objectsOf(t *testing.T, client kubernetes.Interface, namespace string) string {
	t.Helper()
	jobs, err := client.BatchV1().Jobs(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatalf("List Jobs: %v", err)
	}
	pods, err := client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatalf("List pods: %v", err)
	}
	events, err := client.CoreV1().Events(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatalf("List events: %v", err)
	}
	return jobs.String() + pods.String() + events.String()
}

// logsOf is what all containers have said that are still there.
func logsOf(t *testing.T, client kubernetes.Interface, namespace string) string {
	t.Helper()
	pods, err := client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatalf("List pods: %v", err)
	}
	var out strings.Builder
	for _, pod := range pods.Items {
		for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
			stream, err := client.CoreV1().Pods(namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: container.Name}).Stream(t.Context())
			if err != nil {
				t.Errorf("Read the log of %s in %s: %v", container.Name, pod.Name, err)
				continue
			}
			if _, err := io.Copy(&out, stream); err != nil {
				t.Errorf("Read the log of %s in %s: %v", container.Name, pod.Name, err)
			}
			_ = stream.Close()
		}
	}
	return out.String()
}
