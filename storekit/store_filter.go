package storekit

import (
	"context"
	"errors"
	"iter"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/kube"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// StoreFilter selects stores by what the labels of their namespaces say. Empty fields select every store.
type StoreFilter struct {
	Owner  string
	Plan   string // name of the plan, not its reference
	Engine spec.EngineKind
}

// Names returns the names of all stores of the fleet: see [Fleet.Select].
func (f *Fleet) Names(ctx context.Context) iter.Seq2[string, error] {
	return f.Select(ctx, StoreFilter{})
}

// Select returns the names of the stores that the filter selects, in no particular order. They are read page by page as the
// consumer takes them; one that stops reads no further page. An error is the last thing that comes. A wrong filter is reported
// as [spec.FieldErrors].
func (f *Fleet) Select(ctx context.Context, filter StoreFilter) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		query, err := f.selection(filter)
		if err != nil {
			yield("", err)
			return
		}
		enough := errors.New("the consumer stopped")
		err = f.client.kube.List(ctx, query, func(namespace *object) error {
			name := namespace.GetLabels()[labelStore]
			if namespace.GetName() == spec.NamespaceOf(name) && !yield(name, nil) { // else somebody copied our labels
				return enough
			}
			return nil
		})
		if err != nil && !errors.Is(err, enough) {
			yield("", err)
		}
	}
}

// selection is the query of the namespaces that a filter selects.
func (f *Fleet) selection(filter StoreFilter) (kube.Query, error) {
	labels := map[string]string{labelFleet: f.name}
	var wrong spec.FieldErrors
	for _, one := range []struct{ field, label, value string }{
		{"owner", blueprint.LabelOwner, filter.Owner},
		{"plan", blueprint.LabelPlan, filter.Plan},
		{"engine", blueprint.LabelEngine, string(filter.Engine)},
	} {
		if len(validation.IsValidLabelValue(one.value)) > 0 {
			wrong = append(wrong, &spec.FieldError{Path: one.field, Value: one.value, Allowed: "must be 1 to 63 letters, digits, '-', '_' or '.', starting and ending with a letter or digit"})
		} else if one.value != "" {
			labels[one.label] = one.value
		}
	}
	if len(wrong) > 0 {
		return kube.Query{}, wrong
	}
	query := f.namespaceQuery()
	query.Selector = kube.Labelled(labels)
	return query, nil
}
