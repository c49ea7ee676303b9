package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	metricsBefore = `# TYPE apiserver_request_total counter
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="secrets",scope="cluster",subresource="",verb="LIST",version="v1"} 3
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="pods",scope="resource",subresource="status",verb="PATCH",version="v1"} 40
`
	metricsAfter = `# TYPE apiserver_request_total counter
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="secrets",scope="cluster",subresource="",verb="LIST",version="v1"} 5
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="pods",scope="resource",subresource="status",verb="PATCH",version="v1"} 1.2e+03
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="resourcequotas",scope="resource",subresource="status",verb="PUT",version="v1"} 7
apiserver_request_total{code="200",component="apiserver",dry_run="All",group="",resource="resourcequotas",scope="resource",subresource="",verb="APPLY",version="v1"} 9
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="resourcequotas",scope="resource",subresource="",verb="APPLY",version="v1"} 1
apiserver_request_total{code="409",component="apiserver",dry_run="",group="",resource="resourcequotas",scope="resource",subresource="",verb="APPLY",version="v1"} 1
apiserver_request_duration_seconds_count{component="apiserver",dry_run="",resource="secrets",subresource="",verb="LIST",version="v1"} 5
`
)

// TestServerWrites checks that a plan is blamed for what the cluster does by itself in no case, and for a refused write all the same.
func TestServerWrites(t *testing.T) {
	t.Parallel()
	before, err := parseMetrics([]byte(metricsBefore))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	after, err := parseMetrics([]byte(metricsAfter))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	diff := after.since(before)
	got := map[string]int{"lists": diff.lists(), "writes": diff.writes(), "to stores": diff.writesToStores()}
	if diff := cmp.Diff(map[string]int{"lists": 2, "writes": 1169, "to stores": 2}, got); diff != "" {
		t.Errorf("Counted (-want +got):\n%s", diff)
	}
	if _, err := parseMetrics([]byte("# nothing\n")); err == nil {
		t.Error("Metrics without the counter were taken for an idle server")
	}
}
