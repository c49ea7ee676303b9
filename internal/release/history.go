package release

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"helm.sh/helm/v3/pkg/action"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

// Revision is what a revision of a release consists of.
type Revision struct {
	Record
	Chart   string                       // name of its chart
	Objects []*unstructured.Unstructured // as Helm sends them
}

// CorruptError is a release of which a revision cannot be decoded. Helm passes over such a record, and fails later, with another
// reason.
type CorruptError struct {
	Namespace string
	Secrets   []string // that hold the records
	Err       error    // what Helm said
}

// Error implements error.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("release records in namespace %s cannot be decoded: Secrets %v. Delete them and apply again: the objects of the release stay, and are taken over: %v",
		e.Namespace, e.Secrets, e.Err)
}

// Unwrap implements the errors interface.
func (e *CorruptError) Unwrap() error { return e.Err }

// corrupt looks for records that cannot be decoded, as the reason of err. It returns err when there are none, or they cannot be
// listed.
func corrupt(ctx context.Context, cfg *action.Configuration, namespace, name string, err error) error {
	client, clientErr := cfg.KubernetesClientSet()
	if clientErr != nil {
		return err
	}
	ours := map[string]string{"owner": "helm", "name": name}
	secrets, listErr := client.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.FormatLabels(ours)})
	if listErr != nil || len(secrets.Items) == 0 {
		return err
	}
	decoded, queryErr := cfg.Releases.Query(ours)
	if queryErr != nil {
		return err
	}
	found := &CorruptError{Namespace: namespace, Err: err}
	for _, secret := range secrets.Items {
		record, ok := RecordOf(&secret)
		if !ok || !slices.ContainsFunc(decoded, func(rel *helmrelease.Release) bool { return rel.Version == record.Revision }) {
			found.Secrets = append(found.Secrets, secret.Name)
		}
	}
	if len(found.Secrets) == 0 {
		return err
	}
	return found
}

// Revision returns a revision of a release, or [ErrNotFound].
func (e *Engine) Revision(ctx context.Context, namespace, name string, number int) (*Revision, error) {
	revision := new(Revision)
	record, err := e.run(ctx, Request{Name: name, Namespace: namespace}, func(cfg *action.Configuration) (*helmrelease.Release, error) {
		history, err := cfg.Releases.History(name) // Get would panic on a record that cannot be decoded
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(history, func(rel *helmrelease.Release) bool { return rel.Version == number })
		if i < 0 {
			return nil, fmt.Errorf("%w: revision %d", ErrNotFound, number)
		}
		rel := history[i]
		revision.Chart = rel.Chart.Metadata.Name
		revision.Objects, err = objectsOf(rel.Manifest, name, namespace)
		return rel, err
	})
	if err != nil {
		return nil, err
	}
	revision.Record = *record
	return revision, nil
}

// Rollback makes a new revision that has what an earlier one had. What others may change is set back too: Helm sends the
// manifest of that revision as it was. Volumes that have grown since stay as they are. It can be repeated: that revision outlives the
// bound of the history, and so does keep.
func (e *Engine) Rollback(ctx context.Context, namespace, name string, number, keep int) (*Record, error) {
	return e.run(ctx, Request{Name: name, Namespace: namespace}, func(cfg *action.Configuration) (*helmrelease.Release, error) {
		if helm, ok := cfg.KubeClient.(client); ok {
			cfg.KubeClient = rollbackClient{helm}
		}
		rollback := action.NewRollback(cfg)
		rollback.Version = number
		rollback.DisableHooks = true
		rollback.Timeout = actionTimeout
		if err := makeRoom(cfg, name, number, keep); err != nil {
			return nil, err
		}
		if err := rollback.Run(name); err != nil {
			return nil, err
		}
		return cfg.Releases.Last(name)
	})
}

// maxHistory bounds the release records of a store, each of which is a Secret.
const maxHistory = 5

// makeRoom removes the oldest revisions, so that there are at most [maxHistory] with the next one. The last that is deployed stays,
// and those to keep: Helm's own bound knows nothing of a revision to go back to, and loses it to attempts that never became ready.
// Like Helm's it comes before the action: where it fails, nothing else has changed, and the next attempt goes on with it.
func makeRoom(cfg *action.Configuration, name string, keep ...int) error {
	history, err := cfg.Releases.History(name)
	if err != nil {
		return err
	}
	slices.SortFunc(history, func(a, b *helmrelease.Release) int { return a.Version - b.Version })
	for _, rel := range slices.Backward(history) {
		if rel.Info.Status == helmrelease.StatusDeployed {
			keep = append(keep, rel.Version)
			break
		}
	}
	surplus := len(history) - (maxHistory - 1)
	for _, rel := range history {
		if surplus <= 0 || slices.Contains(keep, rel.Version) {
			continue
		}
		if _, err := cfg.Releases.Delete(name, rel.Version); err != nil && !errors.Is(err, driver.ErrReleaseNotFound) {
			return fmt.Errorf("remove revision %d of release %s: %w", rel.Version, name, err)
		}
		surplus--
	}
	return nil
}
