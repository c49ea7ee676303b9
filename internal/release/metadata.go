package release

import (
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/labels"
)

// Selector selects the Secrets that hold release records, superseded ones left out.
func Selector() string { return "owner=helm,status!=superseded" }

// RecordOf reads a release from the labels of the Secret that holds it, without its content. ok is false for another Secret.
func RecordOf(secretLabels map[string]string) (record Record, ok bool) {
	set := labels.Set(secretLabels)
	revision, err := strconv.Atoi(set.Get("version"))
	if err != nil || set.Get("owner") != "helm" {
		return Record{}, false
	}
	return Record{Name: set.Get("name"), Revision: revision, Status: set.Get("status")}, true
}

// SecretName is the name of the Secret that holds a revision of a release.
func SecretName(release string, revision int) string {
	return fmt.Sprintf("sh.helm.release.v1.%s.v%d", release, revision)
}
