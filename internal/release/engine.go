package release

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"helm.sh/helm/v3/pkg/action"
	helmkube "helm.sh/helm/v3/pkg/kube"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// What callers decide on.
var (
	ErrNotFound = errors.New("release not found")
	ErrPending  = errors.New("an earlier operation on the release did not finish")
)

// maxHistory bounds the release records of a store, each of which is a Secret.
const maxHistory = 5

// Record is a release as it is.
type Record struct {
	Name     string
	Revision int
	Status   string
}

// Pending tells whether an operation on the release was interrupted, or is running elsewhere.
func (r *Record) Pending() bool { return helmrelease.Status(r.Status).IsPending() }

// Engine runs Helm actions on a cluster. It is safe for concurrent use on different namespaces.
type Engine struct {
	config    *rest.Config
	discovery discovery.CachedDiscoveryInterface
	mapper    meta.RESTMapper
}

// NewEngine makes an engine that shares discovery and mapper with the rest of the program. manager is the field manager of
// everything that Helm writes; Helm keeps it in a global, so the first engine of a process decides it.
func NewEngine(config *rest.Config, manager string, cached discovery.CachedDiscoveryInterface, mapper meta.RESTMapper) *Engine {
	if helmkube.ManagedFieldsManager != manager {
		helmkube.ManagedFieldsManager = manager
	}
	return &Engine{config: config, discovery: cached, mapper: mapper}
}

// Install makes the first revision. Once begun it runs to its end: a Helm action that is cancelled goes on in the background.
func (e *Engine) Install(ctx context.Context, r Request) (*Record, error) {
	return e.run(ctx, r, func(cfg *action.Configuration) (*helmrelease.Release, error) {
		parsed, values, err := r.parse()
		if err != nil {
			return nil, err
		}
		install := action.NewInstall(cfg)
		install.ReleaseName, install.Namespace = r.Name, r.Namespace
		install.DisableHooks, install.SkipCRDs = true, true
		install.DisableOpenAPIValidation = true // the objects are checked by a dry run; this would download MiBs
		install.PostRenderer = finisher{r.Labels, r.Adjust}
		install.Labels = r.Labels
		install.Timeout = actionTimeout
		return install.Run(parsed, values)
	})
}

// Upgrade makes the next revision over a deployed or failed one.
func (e *Engine) Upgrade(ctx context.Context, r Request) (*Record, error) {
	return e.run(ctx, r, func(cfg *action.Configuration) (*helmrelease.Release, error) {
		parsed, values, err := r.parse()
		if err != nil {
			return nil, err
		}
		upgrade := action.NewUpgrade(cfg)
		upgrade.Namespace = r.Namespace
		upgrade.DisableHooks, upgrade.SkipCRDs = true, true
		upgrade.DisableOpenAPIValidation = true
		upgrade.PostRenderer = finisher{r.Labels, r.Adjust}
		upgrade.Labels = r.Labels
		upgrade.ResetValues = true // else empty values mean "those of last time"
		upgrade.MaxHistory = maxHistory
		upgrade.Timeout = actionTimeout
		return upgrade.Run(r.Name, parsed, values)
	})
}

// Uninstall removes the release and its records. A release that is not there is [ErrNotFound].
func (e *Engine) Uninstall(ctx context.Context, namespace, name string) error {
	_, err := e.run(ctx, Request{Name: name, Namespace: namespace}, func(cfg *action.Configuration) (*helmrelease.Release, error) {
		uninstall := action.NewUninstall(cfg)
		uninstall.DisableHooks = true
		uninstall.Timeout = actionTimeout
		_, err := uninstall.Run(name)
		return nil, err
	})
	return err
}

// Status returns the latest revision, or [ErrNotFound].
func (e *Engine) Status(ctx context.Context, namespace, name string) (*Record, error) {
	return e.run(ctx, Request{Name: name, Namespace: namespace}, func(cfg *action.Configuration) (*helmrelease.Release, error) {
		return cfg.Releases.Last(name)
	})
}

// Objects returns the objects of the latest revision, or [ErrNotFound].
func (e *Engine) Objects(ctx context.Context, namespace, name string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	_, err := e.run(ctx, Request{Name: name, Namespace: namespace}, func(cfg *action.Configuration) (*helmrelease.Release, error) {
		rel, err := cfg.Releases.Last(name)
		if err != nil {
			return nil, err
		}
		objects, err = decode(rel.Manifest)
		return rel, err
	})
	for _, object := range objects {
		if object.GetNamespace() == "" {
			object.SetNamespace(namespace)
		}
	}
	return objects, err
}

// What marks objects that Helm leaves behind when a release no longer has them, and when it is uninstalled.
const (
	KeepAnnotation = helmkube.ResourcePolicyAnno
	KeepPolicy     = helmkube.KeepPolicy
)

// Unlock marks an interrupted revision as failed, so that [Engine.Upgrade] accepts it. The caller makes sure that nobody else
// works on the release.
func (e *Engine) Unlock(ctx context.Context, namespace, name, note string) error {
	_, err := e.run(ctx, Request{Name: name, Namespace: namespace}, func(cfg *action.Configuration) (*helmrelease.Release, error) {
		rel, err := cfg.Releases.Last(name)
		if err != nil {
			return nil, err
		}
		rel.SetStatus(helmrelease.StatusFailed, note)
		return rel, cfg.Releases.Update(rel)
	})
	return err
}

// actionTimeout bounds single requests of an action: nothing in it waits for pods.
const actionTimeout = time.Minute

// run runs one action with a configuration of its own: Helm's are not safe to share.
func (e *Engine) run(ctx context.Context, r Request, do func(*action.Configuration) (*helmrelease.Release, error)) (*Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	within, stop := lingering(ctx)
	defer stop()
	cfg := new(action.Configuration)
	// Helm's log prints whole objects when it cannot decode one, Secrets included: drop it.
	if err := cfg.Init(e.getter(within, r.Namespace), r.Namespace, "secret", discard); err != nil {
		return nil, fmt.Errorf("prepare helm: %w", err)
	}
	cfg.Capabilities = capabilities()
	rel, err := do(cfg)
	switch {
	case errors.Is(err, driver.ErrReleaseNotFound):
		return nil, fmt.Errorf("%w: %s in namespace %s", ErrNotFound, r.Name, r.Namespace)
	case err != nil:
		return nil, err
	case rel == nil:
		return nil, nil
	}
	record := &Record{Name: rel.Name, Revision: rel.Version, Status: rel.Info.Status.String()}
	return record, nil
}

// getter gives Helm the shared clients, and the namespace of one release.
type getter struct {
	*Engine
	ctx    context.Context // Helm's actions take none
	loader clientcmd.ClientConfig
}

var _ genericclioptions.RESTClientGetter = getter{}

func (e *Engine) getter(ctx context.Context, namespace string) getter {
	return getter{e, ctx, clientcmd.NewDefaultClientConfig(*clientcmdapi.NewConfig(), &clientcmd.ConfigOverrides{
		Context: clientcmdapi.Context{Namespace: namespace},
	})}
}

// ToRESTConfig returns a copy, for Helm's builder changes the configuration that it gets, whose requests end with the action.
func (g getter) ToRESTConfig() (*rest.Config, error) {
	config := rest.CopyConfig(g.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return contextTransport{g.ctx, next} })
	return config, nil
}

// grace is what an action may still take once its caller gives up. An action that is cut off leaves its release pending, one that
// goes on for longer keeps people waiting for their Ctrl-C.
const grace = 5 * time.Second

// lingering is a context that ends some time after ctx.
func lingering(ctx context.Context) (context.Context, func()) {
	within, cancel := context.WithCancel(context.WithoutCancel(ctx))
	release := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(grace, cancel)
		context.AfterFunc(within, func() { timer.Stop() })
	})
	return within, func() { release(); cancel() }
}

// ToDiscoveryClient returns the shared discovery cache.
func (g getter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	return g.discovery, nil
}

// ToRESTMapper returns the shared mapper.
func (g getter) ToRESTMapper() (meta.RESTMapper, error) { return g.mapper, nil }

// ToRawKubeConfigLoader tells Helm the namespace.
func (g getter) ToRawKubeConfigLoader() clientcmd.ClientConfig { return g.loader }
