package stores_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/kubernetes"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// Versions of the two SIMULATED builds of WordPress that test/node makes.
const (
	newerWordPress  = "7.1.1" // its database update adds a table
	brokenWordPress = "7.1.2" // its database update deletes posts and uploads, and its REST API fails
)

const (
	branchStore = "branch"
	branchHost  = "branch.acme.example"
)

func TestUpgrade(t *testing.T) {
	client := connect(t)
	plugin := startPluginServer(t, spec.WooCommerceVersion)
	tf := newTerraform(t, "upgrade", "plugin_source="+plugin.source, "plugin_sha256="+plugin.sha256)
	watched := observe(t, client, shopNamespace)
	u := &upgrade{
		tf: tf, fleet: connectFleet(t, providerFleet), shop: newVisitor(t, shopHost),
		data: &shopData{client: client, namespace: shopNamespace, pausing: []string{"web"}, host: shopHost},
	}
	u.content = &shopContent{shop: u.shop}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("What storekit says of the store: %s", u.describe())
		}
	})

	t.Logf("terraform apply of a WooCommerce store took %.0f s.", tf.apply(t).Seconds())
	eventually(t, "The shop", func(ctx context.Context) error { return u.shop.answers(ctx, "/") })
	logIn(t, client, u.shop)
	u.content.write(t)
	if err := u.content.check(t.Context()); err != nil {
		t.Fatalf("Read back what was written: %v", err)
	}
	must(t, "Newer", u.upgrades)
	must(t, "Broken", u.comesBack)
	must(t, "Vandal", u.restores)
	t.Run("Memory", func(t *testing.T) { watched.fits(t, spec.Basic) })
	t.Run("Branch", func(t *testing.T) { u.branches(t, client) })
	t.Run("Destroy", func(t *testing.T) { t.Logf("terraform destroy of both stores took %.0f s.", tf.destroy(t).Seconds()) })
}

// upgrade is a store that goes through upgrades and restores.
type upgrade struct {
	tf      *terraform
	fleet   *storekit.Fleet
	shop    *visitor
	content *shopContent
	data    *shopData
	backup  string // id of the one that was asked for
}

func version(v string) string { return "-var=wordpress_version=" + v }

// upgrades goes to a newer version, whose database update adds a table. No visitor notices.
func (u *upgrade) upgrades(t *testing.T) {
	served, before := u.served(t), u.measure(t)
	visits := startVisits(t, func(ctx context.Context) error {
		return u.shop.answers(ctx, "/wp-json/wc/store/v1/products?per_page=1")
	})
	took := u.tf.apply(t, version(newerWordPress))
	visits.stop()
	t.Logf("terraform apply of the upgrade took %.0f s. %s.", took.Seconds(), visits)
	for _, failure := range visits.failures {
		t.Errorf("A request failed: %v", failure)
	}
	now := u.served(t)
	if served == newerWordPress || now != newerWordPress {
		t.Errorf("WordPress %s was served and %s is, want another one and %s", served, now, newerWordPress)
	}
	t.Logf("WordPress %s was served before, %s is now.", served, now)
	if err := u.content.check(t.Context()); err != nil {
		t.Errorf("After the upgrade: %v", err)
	}
	after := u.measure(t)
	if after["rows of wp_simulated"] == "" || after["schema"] == before["schema"] {
		t.Errorf("The database was not updated: version %s, then %s", before["schema"], after["schema"])
	}
	for _, name := range []string{"tables", "schema", "rows of wp_simulated", "sum of wp_simulated"} {
		delete(before, name)
		delete(after, name)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("An upgrade changed the data (-before +after):\n%s", diff)
	}
	if got := u.reasons(t); !cmp.Equal(got, []string{"upgrade"}) {
		t.Errorf("Backups were made for %v, want upgrade", got)
	}
	u.tf.run(t, noChanges, "plan", "-detailed-exitcode", version(newerWordPress))
}

// comesBack tries a version that damages data and does not answer.
func (u *upgrade) comesBack(t *testing.T) {
	before := u.measure(t)
	begun := time.Now()
	visits := startVisits(t, func(ctx context.Context) error { return u.shop.answers(ctx, "/") })
	said := words(u.tf.run(t, failed, "apply", "-auto-approve", version(brokenWordPress)))
	visits.stop()
	t.Logf("The upgrade failed and was rolled back within %.0f s. %s.", time.Since(begun).Seconds(), visits)
	for _, part := range []string{"Store Does Not Answer", "rest_route=/wc/store/v1/products", "500", "rolled back to what it was in revision 2"} {
		if !strings.Contains(said, part) {
			t.Errorf("The failure does not say %q: %s", part, said)
		}
	}
	if got := u.served(t); got != newerWordPress {
		t.Errorf("WordPress %s is served, want %s", got, newerWordPress)
	}
	if err := u.content.check(t.Context()); err != nil {
		t.Errorf("After the way back: %v", err)
	}
	if diff := cmp.Diff(before, u.measure(t)); diff != "" {
		t.Errorf("The data are not those from before (-before +after):\n%s", diff)
	}
	if got := u.reasons(t); !cmp.Equal(got, []string{"rollback", "upgrade", "upgrade"}) {
		t.Fatalf("Backups were made for %v, want rollback, upgrade, upgrade", got)
	}
	copies := u.state(t).Backups
	if damaged, whole := copies[0], copies[1]; damaged.Rows >= whole.Rows || damaged.Files >= whole.Files {
		t.Errorf("The broken version did no damage: %+v, before %+v", damaged, whole)
	}
	t.Logf("Backups: %+v", copies)

	plan := words(u.tf.run(t, changes, "plan", "-detailed-exitcode", version(brokenWordPress)))
	if !strings.Contains(plan, `"`+newerWordPress+`" -> "`+brokenWordPress+`"`) {
		t.Errorf("The plan does not show the update again: %s", plan)
	}
	u.explains(t)
	u.tf.run(t, noChanges, "plan", "-detailed-exitcode", version(newerWordPress))
}

// explains looks at why a preview of the broken version says that it was rolled back.
func (u *upgrade) explains(t *testing.T) {
	t.Helper()
	next := u.state(t).Spec
	engine, ok := next.Engine.(spec.WooCommerce)
	if !ok {
		t.Fatalf("The store has engine %T", next.Engine)
	}
	engine.WordPress = brokenWordPress
	next.Engine = engine
	var program storekit.Program
	program.AddStore(next)
	preview, err := u.fleet.Preview(t.Context(), &program, storekit.NoPrune())
	if err != nil {
		t.Fatalf("Preview: %v", err)
	}
	if text := preview.String(); !strings.Contains(text, "the last update was rolled back: ") {
		t.Errorf("A preview does not say why it was rolled back:\n%s", text)
	}
}

// restores destroys data as a vandal does, and brings back a backup that was made before.
func (u *upgrade) restores(t *testing.T) {
	u.backup = backUp(t, u.fleet, "acme")
	before := u.measure(t)
	u.data.script(t, `ask "DROP TABLE wordpress.wp_posts; DELETE FROM wordpress.wp_users;"; rm -rf /content/uploads /content/plugins`)
	if err := u.content.check(t.Context()); err == nil {
		t.Error("The vandal did no damage")
	}
	took := u.tf.apply(t, version(newerWordPress), "-var=restore_from="+u.backup)
	t.Logf("terraform apply of the restore took %.0f s.", took.Seconds())
	if err := u.content.check(t.Context()); err != nil {
		t.Errorf("After the restore: %v", err)
	}
	if diff := cmp.Diff(before, u.measure(t)); diff != "" {
		t.Errorf("The data are not those of the backup (-before +after):\n%s", diff)
	}
	if got := u.reasons(t)[0]; got != "restore" {
		t.Errorf("The newest backup was made for %s, want restore", got)
	}
	u.tf.run(t, noChanges, "plan", "-detailed-exitcode", version(newerWordPress), "-var=restore_from="+u.backup)
}

// branches makes a second store of the backup of the first.
func (u *upgrade) branches(t *testing.T, client kubernetes.Interface) {
	both := []string{version(newerWordPress), "-var=restore_from=" + u.backup, "-var=branch_from=acme/" + u.backup}
	t.Logf("terraform apply of a store from the backup of another took %.0f s.", u.tf.apply(t, both...).Seconds())
	u.tf.run(t, noChanges, append([]string{"plan", "-detailed-exitcode"}, both...)...)
	branch := newVisitor(t, branchHost)
	eventually(t, "The second shop", func(ctx context.Context) error { return branch.answers(ctx, "/") })
	branch.expect(t, u.content.post, postTitle)
	branch.expect(t, u.content.file, string(uploaded))
	branch.expect(t, "/", "Branch")
	second := &upgrade{data: &shopData{client: client, namespace: "store-" + branchStore}}
	first, copied := u.measure(t), second.measure(t)
	// The second has an administrator of its own, and in both of them events take the marks of pings away that were not sent yet.
	for _, name := range []string{"sum of wp_users", "sum of wp_usermeta", "rows of wp_postmeta", "sum of wp_postmeta"} {
		delete(first, name)
		delete(copied, name)
	}
	if diff := cmp.Diff(first, copied); diff != "" {
		t.Errorf("The data are not those of the first store (-first +second):\n%s", diff)
	}
	own, other := administrator(t, client, "store-"+branchStore), administrator(t, client, shopNamespace)
	for _, one := range []struct {
		reason string
		admin  map[string]string
		letIn  bool
	}{{"the store has an administrator of its own", own, true}, {"the password of the first store came with its data", other, false}} {
		if in, err := logInToWordPress(t.Context(), newVisitor(t, branchHost), one.admin); err != nil || in != one.letIn {
			t.Errorf("%s: let in %t (error %v), want %t", one.reason, in, err, one.letIn)
		}
	}
	if err := u.content.check(t.Context()); err != nil {
		t.Errorf("The first store: %v", err)
	}
}

// generator is what WordPress says of itself in the head of every page.
var generator = regexp.MustCompile(`<meta name="generator" content="WordPress ([0-9.]+)"`)

// served is the version that answers.
func (u *upgrade) served(t *testing.T) string {
	t.Helper()
	page, err := u.shop.get(t.Context(), "/")
	if err != nil {
		t.Fatalf("Read the front page: %v", err)
	}
	found := generator.FindStringSubmatch(page.body)
	if found == nil {
		t.Fatalf("The front page does not say its version: %s", beginning(page.body))
	}
	return found[1]
}

// measure counts and sums the data of the shop: every table but that of options, which holds what is forgotten after minutes, and
// every file.
func (u *upgrade) measure(t *testing.T) map[string]string {
	t.Helper()
	job := u.data.job(t, nil, nil)
	job.Spec.Template.Spec.Containers[0].Command = []string{"/bin/bash", "-c", `set -euo pipefail
user() { cat /secrets/credentials/database-user; }
. /etc/store/database.sh
{
	names=$(ask "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'wordpress';")
	echo "tables: $(wc -l <<<"$names")"
	for name in $names; do
		[ "$name" != wp_options ] || continue
		echo "rows of $name: $(ask "SELECT COUNT(*) FROM wordpress.$name;")"
		echo "sum of $name: $(ask "CHECKSUM TABLE wordpress.$name;" | cut -f 2)"
	done
	echo "posts: $(ask "SELECT COUNT(*) FROM wordpress.wp_posts WHERE post_status = 'publish';")"
	echo "schema: $(ask "SELECT option_value FROM wordpress.wp_options WHERE option_name = 'db_version';")"
	cd /content
	echo "files: $(find . -type f | wc -l) $(find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)"
	echo "upload: $(sha256sum uploads/*/*/point.gif)"
} >/dev/termination-log`}
	out := map[string]string{}
	for line := range strings.Lines(u.data.end(t, u.data.namespace, u.data.create(t, u.data.namespace, "measure", job), true)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		out[name] = value
	}
	sum := sha256.Sum256(uploaded)
	if got := out["upload"]; !strings.HasPrefix(got, hex.EncodeToString(sum[:])+" ") {
		t.Errorf("The upload has checksum %q, want %x", got, sum)
	}
	return out
}

func (u *upgrade) state(t *testing.T) *storekit.State {
	t.Helper()
	u.fleet.Forget()
	state, err := u.fleet.Get(t.Context(), "acme")
	if err != nil {
		t.Fatalf("Read the store: %v", err)
	}
	return state
}

// reasons are those of the backups, newest first.
func (u *upgrade) reasons(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, one := range u.state(t).Backups {
		out = append(out, one.Reason)
	}
	return out
}

// describe is for a failed test, whose context has ended.
func (u *upgrade) describe() string {
	u.fleet.Forget()
	state, err := u.fleet.Get(context.Background(), "acme")
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("phase %s, failure %q, causes %v, backups %+v", state.Phase, state.Failure, state.Causes, state.Backups)
}

// backUp makes a backup and returns its id.
func backUp(t *testing.T, fleet *storekit.Fleet, store string) string {
	t.Helper()
	fleet.Forget()
	begun := time.Now()
	result, err := fleet.Backup(t.Context(), store, storekit.Timeout(5*time.Minute))
	if err != nil {
		t.Fatalf("Back up store %s: %v", store, err)
	}
	made := result.Stores[store].Backups[0]
	t.Logf("A backup took %.0f s: %+v", time.Since(begun).Seconds(), made)
	if made.Reason != "demand" {
		t.Errorf("The newest backup was made for %s, want demand", made.Reason)
	}
	return made.ID
}

// words is what Terraform said, without its frames and line breaks.
func words(output string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(output, "│", " ")), " ")
}
