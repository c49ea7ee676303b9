package release

import (
	"context"
	"fmt"
	"slices"

	"helm.sh/helm/v3/pkg/action"
	helmrelease "helm.sh/helm/v3/pkg/release"
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
// manifest of that revision as it was.
func (e *Engine) Rollback(ctx context.Context, namespace, name string, number int) (*Record, error) {
	return e.run(ctx, Request{Name: name, Namespace: namespace}, func(cfg *action.Configuration) (*helmrelease.Release, error) {
		rollback := action.NewRollback(cfg)
		rollback.Version = number
		rollback.DisableHooks = true
		rollback.MaxHistory = maxHistory
		rollback.Timeout = actionTimeout
		if err := rollback.Run(name); err != nil {
			return nil, err
		}
		return cfg.Releases.Last(name)
	})
}
