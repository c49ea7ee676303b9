package release

import (
	"fmt"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
)

// What a revision was made from, as labels of the Secret that records it: they are read without its content.
const (
	labelChartVersion = "storeplatform.io/chart-version"
	labelAppVersion   = "storeplatform.io/app-version"
)

// labels are those of the chart's releases. A version that fits into no label is left out.
func (c *Chart) labels() map[string]string {
	out := make(map[string]string)
	for label, version := range map[string]string{labelChartVersion: c.Version, labelAppVersion: c.AppVersion} {
		// Semantic versions have no underscore; Helm's own label of a chart is spelt like that.
		if spelt := strings.ReplaceAll(version, "+", "_"); len(validation.IsValidLabelValue(spelt)) == 0 {
			out[label] = spelt
		}
	}
	return out
}

// RecordOf reads a release from the labels of the Secret that holds it, without its content. ok is false for another Secret.
func RecordOf(secret metav1.Object) (record Record, ok bool) {
	set := labels.Set(secret.GetLabels())
	revision, err := strconv.Atoi(set.Get("version"))
	if err != nil || set.Get("owner") != "helm" {
		return Record{}, false
	}
	version := func(label string) string { return strings.ReplaceAll(set.Get(label), "_", "+") }
	return Record{
		Name: set.Get("name"), Revision: revision, Status: set.Get("status"), ChartVersion: version(labelChartVersion),
		AppVersion: version(labelAppVersion), Created: secret.GetCreationTimestamp().Time,
	}, true
}

// SecretName is the name of the Secret that holds a revision of a release.
func SecretName(release string, revision int) string {
	return fmt.Sprintf("sh.helm.release.v1.%s.v%d", release, revision)
}
