package provider

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// Server returns a constructor of the provider as plugin protocol 6 serves it.
func Server(version string) func() tfprotov6.ProviderServer {
	return func() tfprotov6.ProviderServer {
		return newServer(&storePlatform{version: version, getenv: os.Getenv})
	}
}

func newServer(p *storePlatform) server {
	framework, ok := providerserver.NewProtocol6(p)().(frameworkServer)
	if !ok {
		panic(fmt.Sprintf("provider: the framework's server lacks RPCs: %T", framework)) // a matter of this build
	}
	return server{framework, p, newUnchangedStores(context.Background())}
}

type frameworkServer interface {
	tfprotov6.ProviderServer
	tfprotov6.ListResourceServer
	tfprotov6.ActionServer
}

// server serves the RPCs that Terraform sends for each resource: those for unchanged stores itself, see [unchangedStores], and the
// others with contexts that can be forgotten. The framework keeps the context of every RPC until the process stops
// (terraform-plugin-framework v1.19.0, proto6server.registerContext), and with it all that gRPC and logging put there: 12 KB,
// four times for each store of a plan.
type server struct {
	frameworkServer
	provider  *storePlatform
	unchanged *unchangedStores
}

// ValidateResourceConfig implements [tfprotov6.ResourceServer].
func (s server) ValidateResourceConfig(ctx context.Context, req *tfprotov6.ValidateResourceConfigRequest) (*tfprotov6.ValidateResourceConfigResponse, error) {
	ctx, forget := forgettable(ctx)
	defer forget()
	return s.frameworkServer.ValidateResourceConfig(ctx, req)
}

// UpgradeResourceState implements [tfprotov6.ResourceServer].
func (s server) UpgradeResourceState(ctx context.Context, req *tfprotov6.UpgradeResourceStateRequest) (*tfprotov6.UpgradeResourceStateResponse, error) {
	if req.TypeName == storeType {
		if resp := s.unchanged.upgrade(req); resp != nil {
			return resp, nil
		}
	}
	ctx, forget := forgettable(ctx)
	defer forget()
	return s.frameworkServer.UpgradeResourceState(ctx, req)
}

// ReadResource implements [tfprotov6.ResourceServer].
func (s server) ReadResource(ctx context.Context, req *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	if req.TypeName == storeType {
		ctx = withMemory(ctx)
		if resp := s.unchanged.read(ctx, s.provider.platform, req); resp != nil {
			return resp, nil
		}
	}
	ctx, forget := forgettable(ctx)
	defer forget()
	return s.frameworkServer.ReadResource(ctx, req)
}

// PlanResourceChange implements [tfprotov6.ResourceServer].
func (s server) PlanResourceChange(ctx context.Context, req *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	if req.TypeName == storeType {
		ctx = withMemory(ctx)
		if resp := s.unchanged.plan(ctx, s.provider.platform, req); resp != nil {
			return resp, nil
		}
	}
	ctx, forget := forgettable(ctx)
	defer forget()
	return s.frameworkServer.PlanResourceChange(ctx, req)
}

// ApplyResourceChange implements [tfprotov6.ResourceServer].
func (s server) ApplyResourceChange(ctx context.Context, req *tfprotov6.ApplyResourceChangeRequest) (*tfprotov6.ApplyResourceChangeResponse, error) {
	ctx, forget := forgettable(ctx)
	defer forget()
	return s.frameworkServer.ApplyResourceChange(ctx, req)
}

// rpcContext is the context of an RPC as long as that runs, and an ended one without values after it.
type rpcContext struct {
	parent atomic.Pointer[context.Context]
}

var _ context.Context = (*rpcContext)(nil)

func forgettable(parent context.Context) (ctx context.Context, forget func()) {
	c := new(rpcContext)
	c.parent.Store(&parent)
	return c, func() { c.parent.Store(nil) }
}

func (c *rpcContext) current() context.Context {
	if parent := c.parent.Load(); parent != nil {
		return *parent
	}
	return ended
}

// ended is a context that has ended.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// Deadline implements [context.Context].
func (c *rpcContext) Deadline() (time.Time, bool) { return c.current().Deadline() }

// Done implements [context.Context].
func (c *rpcContext) Done() <-chan struct{} { return c.current().Done() }

// Err implements [context.Context].
func (c *rpcContext) Err() error { return c.current().Err() }

// Value implements [context.Context].
func (c *rpcContext) Value(key any) any { return c.current().Value(key) }
