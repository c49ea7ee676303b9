package provider

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"k8s.io/apimachinery/pkg/util/wait"
)

// What belongs to an RPC goes with it, however long the process lives: a plan of a thousand stores has thousands of them.
func TestServerForgetsRPCs(t *testing.T) {
	t.Parallel()
	server := Server("test")()
	var freed atomic.Int64
	const calls = 20
	for range calls {
		call(t, server, &freed)
	}
	err := wait.PollUntilContextTimeout(t.Context(), 1, wait.ForeverTestTimeout, true, func(context.Context) (bool, error) {
		runtime.GC()
		return freed.Load() == calls, nil
	})
	if err != nil {
		t.Errorf("%d of %d contexts were freed: %v", freed.Load(), calls, err)
	}
	runtime.KeepAlive(server)
}

// call sends one RPC with a context of its own that holds something, and lets go of it.
func call(t *testing.T, server tfprotov6.ProviderServer, freed *atomic.Int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	type key struct{}
	load := new([1 << 16]byte)
	runtime.AddCleanup(load, func(freed *atomic.Int64) { freed.Add(1) }, freed)
	if _, err := server.UpgradeResourceState(context.WithValue(ctx, key{}, load), &tfprotov6.UpgradeResourceStateRequest{
		TypeName: "storeplatform_plan", RawState: &tfprotov6.RawState{JSON: []byte(`{}`)},
	}); err != nil {
		t.Fatal(err)
	}
}
