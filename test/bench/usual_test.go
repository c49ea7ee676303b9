package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTerraformed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason     string
		have, want string
	}{
		"Keys": {
			reason: "Keys of quotas and of labels are no field names.",
			have:   `{"hard":{"limits.cpu":"2","count/jobs.batch":"50"},"scopes":["NotTerminating"]}`,
			want:   `{"hard":{"limits.cpu":"2","count/jobs.batch":"50"},"scopes":["NotTerminating"]}`,
		},
		"Limits": {
			reason: "A list of blocks has the name of one of them.",
			have:   `{"limits":[{"type":"Container","defaultRequest":{"cpu":"50m"}}]}`,
			want:   `{"limit":[{"type":"Container","default_request":{"cpu":"50m"}}]}`,
		},
		"Policy": {
			reason: "Fields are in snake case at every depth.",
			have:   `{"podSelector":{"matchLabels":{"aB":"c"}},"policyTypes":["Egress"],"egress":[{"to":[{"ipBlock":{"cidr":"0.0.0.0/0"}}],"ports":[{"port":443,"endPort":444}]}]}`,
			want:   `{"pod_selector":{"match_labels":{"aB":"c"}},"policy_types":["Egress"],"egress":[{"to":[{"ip_block":{"cidr":"0.0.0.0/0"}}],"ports":[{"port":443,"end_port":444}]}]}`,
		},
		"Ingress": {
			reason: "The path of a path stays.",
			have:   `{"rules":[{"http":{"paths":[{"path":"/","pathType":"Prefix"}]}}]}`,
			want:   `{"rule":[{"http":{"path":[{"path":"/","path_type":"Prefix"}]}}]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var have, want any
			if err := json.Unmarshal([]byte(tc.have), &have); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(tc.want), &want); err != nil {
				t.Fatal(err)
			}
			data, err := json.Marshal(terraformed("", have))
			if err != nil {
				t.Fatal(err)
			}
			var got any
			if err := json.Unmarshal(data, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\n(-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestInstalled checks that the newest of several versions is taken, and nothing from elsewhere when a directory is named.
func TestInstalled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := filepath.Join(dir, "terraform-provider-helm_v3.1.2")
	for _, path := range []string{filepath.Join(dir, "terraform-provider-helm_v3.0.0"), want} {
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got, found := installed("helm", dir); !found || got != want {
		t.Errorf("installed: %s, %t, want %s", got, found, want)
	}
	if got, found := installed("kubernetes", dir); found {
		t.Errorf("installed: %s, want none", got)
	}
}
