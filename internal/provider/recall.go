package provider

import (
	"context"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// memory is what the cluster has said during one RPC, by question. An RPC is served by one goroutine.
type memory map[string]any

type memoryKey struct{}

// withMemory makes the context of an RPC in which [recall] asks each question once.
func withMemory(ctx context.Context) context.Context {
	return context.WithValue(ctx, memoryKey{}, make(memory))
}

type answer[T any] struct {
	value T
	err   error
}

// recall asks the cluster, unless it has answered the question in this RPC already: a server that does not answer is waited for
// once, and what differs is looked at once, whoever looks first.
func recall[T any](ctx context.Context, question string, ask func() (T, error)) (T, error) {
	m, _ := ctx.Value(memoryKey{}).(memory)
	if given, ok := m[question].(answer[T]); ok {
		return given.value, given.err
	}
	value, err := ask()
	if m != nil {
		m[question] = answer[T]{value, err}
	}
	return value, err
}

func (p *platform) clusterUID(ctx context.Context) (string, error) {
	return recall(ctx, "cluster", func() (string, error) { return p.client.ClusterUID(ctx) })
}

// store reads a store.
func (p *platform) store(ctx context.Context, name string) (*storekit.State, error) {
	return recall(ctx, "store", func() (*storekit.State, error) { return p.fleet.Get(ctx, name) })
}

// preview previews the one store that an RPC is about. When it is asked for twice, s is what state says both times.
func (p *platform) preview(ctx context.Context, s spec.Store) (*storekit.Preview, error) {
	return recall(ctx, "preview", func() (*storekit.Preview, error) {
		var program storekit.Program
		program.AddStore(s)
		return p.fleet.Preview(ctx, &program, storekit.Only(storekit.StoreTarget(s.Name)), storekit.NoPrune())
	})
}
