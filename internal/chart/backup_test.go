package chart_test

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/chart"
	"github.com/storeplatform/terraform-provider-storeplatform/internal/release"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// TestBackupSchedule checks when the CronJob runs. It is there in any case: other work on the data is made from it.
func TestBackupSchedule(t *testing.T) {
	tests := map[string]struct {
		reason   string
		schedule string
		want     string
		suspend  bool
	}{
		"none":    {"Nobody asked for backups by the clock.", "", "0 3 * * *", true},
		"nightly": {"The user's own schedule.", "30 2 * * 1-5", "30 2 * * 1-5", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for _, engine := range []spec.Engine{woo(), medusa(false, false)} {
				s := store(engine)
				s.Backup = spec.Backup{Schedule: tc.schedule, Keep: 3}
				found := false
				for _, o := range render(t, blueprintOf(t, s).Values) {
					if o.GetKind() != "CronJob" || o.GetName() != blueprint.BackupName {
						continue
					}
					found = true
					cron := typed[batchv1.CronJob](t, o)
					if cron.Spec.Schedule != tc.want || *cron.Spec.Suspend != tc.suspend {
						t.Errorf("%s %s: schedule %q, suspended %t", engine.Kind(), tc.reason, cron.Spec.Schedule, *cron.Spec.Suspend)
					}
				}
				if !found {
					t.Errorf("%s: no CronJob %s", engine.Kind(), blueprint.BackupName)
				}
			}
		})
	}
}

// TestDataScripts checks that new scripts for backups neither restart a shop nor install it again.
func TestDataScripts(t *testing.T) {
	tests := map[string]struct {
		reason  string
		file    string
		restart bool
	}{
		"common":        {"Jobs read it, and the shop does not.", "files/data/data.sh", false},
		"of the engine": {"Its engine's part as well.", "files/woocommerce/database.sh", false},
		"of the shop":   {"The pods have it mounted as a single file, which stays as it was.", "files/woocommerce/php.ini", true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			values := blueprintOf(t, store(woo())).Values
			files, err := chart.Files()
			if err != nil {
				t.Fatal(err)
			}
			files[tc.file] = append([]byte(nil), files[tc.file]...)
			files[tc.file] = append(files[tc.file], "\n"...)
			changed, err := release.LoadEmbedded(files)
			if err != nil {
				t.Fatal(err)
			}
			rendered, err := release.Render(release.Request{Name: blueprint.ReleaseName, Namespace: "store-acme", Chart: changed, Values: values})
			if err != nil {
				t.Fatal(err)
			}
			was, is := manifest(t, render(t, values)), manifest(t, rendered.Objects)
			if (was != is) != tc.restart {
				t.Errorf("%s: workloads changed: %t", tc.reason, was != is)
			}
		})
	}
}
