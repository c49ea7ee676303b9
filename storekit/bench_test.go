package storekit_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/testcluster"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// BenchmarkPreviewUnchanged measures a run that looks at stores with nothing to do, as a Terraform plan does: requests must
// not grow with the number of stores.
func BenchmarkPreviewUnchanged(b *testing.B) {
	cluster := testcluster.Start(b)
	for _, count := range []int{1, 20} {
		b.Run(fmt.Sprintf("stores=%d", count), func(b *testing.B) {
			fleet := cluster.Fleet(b)
			p := new(storekit.Program)
			for i := range count {
				p.AddStore(spec.Store{
					Name: fmt.Sprintf("%s-%d", fleet, i), Owner: "team", AllowDeletion: true, Retention: spec.DeleteData,
					Engine: spec.WooCommerce{Title: "Acme", AdminEmail: "shop@acme.example"},
				})
			}
			var requests atomic.Int64
			config := recording(cluster.RESTConfig, func(*http.Request) { requests.Add(1) })
			client, err := storekit.Connect(config, storekit.WithSharedReads())
			if err != nil {
				b.Fatal(err)
			}
			preview, err := client.Fleet(fleet).Preview(b.Context(), p)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := client.Fleet(fleet).Up(b.Context(), preview); err != nil {
				b.Fatal(err)
			}
			requests.Store(0)
			for b.Loop() {
				f := client.Fleet(fleet)
				f.Forget()
				preview, err := f.Preview(b.Context(), p, storekit.NoPrune())
				if err != nil || !preview.Empty() {
					b.Fatalf("error %v, preview %v", err, preview)
				}
			}
			b.ReportMetric(float64(requests.Load())/float64(b.N), "requests/op")
		})
	}
}
