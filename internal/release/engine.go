package release

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"helm.sh/helm/v3/pkg/action"
	helmkube "helm.sh/helm/v3/pkg/kube"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// Record is a revision of a release as it is.
type Record struct {
	Name         string
	Revision     int
	Status       string
	ChartVersion string
	AppVersion   string
	Created      time.Time
}

// Pending tells whether an operation on the release was interrupted, or is running elsewhere, or left it in a state that Helm does not
// upgrade from: a release that was uninstalled and whose history was kept.
func (r *Record) Pending() bool {
	switch status := helmrelease.Status(r.Status); status {
	case helmrelease.StatusUninstalling, helmrelease.StatusUninstalled, helmrelease.StatusUnknown:
		return true
	default:
		return status.IsPending()
	}
}

// Deployed tells whether everything of the revision was sent: it was deployed, and may have been superseded since.
func (r *Record) Deployed() bool {
	status := helmrelease.Status(r.Status)
	return status == helmrelease.StatusDeployed || status == helmrelease.StatusSuperseded
}

// Engine runs Helm actions on a cluster. It is safe for concurrent use on different namespaces.
type Engine struct {
	config    *rest.Config
	discovery discovery.CachedDiscoveryInterface
	mapper    meta.RESTMapper
}

// named guards Helm's global.
var named sync.Once

// NewEngine makes an engine that shares discovery and mapper with the rest of the program. manager is the field manager of
// everything that Helm writes; Helm keeps it in a global, so the first engine of a process decides it.
func NewEngine(config *rest.Config, manager string, cached discovery.CachedDiscoveryInterface, mapper meta.RESTMapper) *Engine {
	named.Do(func() { helmkube.ManagedFieldsManager = manager })
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
		install.Labels = merged(r.Labels, r.Chart.labels())
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
		upgrade.Labels = merged(r.Labels, r.Chart.labels())
		upgrade.ResetValues = true // else empty values mean "those of last time"
		upgrade.Timeout = actionTimeout
		if err := makeRoom(cfg, r.Name, r.Keep); err != nil {
			return nil, err
		}
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
		objects, err = objectsOf(rel.Manifest, name, namespace)
		return rel, err
	})
	return objects, err
}

// What marks objects that Helm leaves behind when a release no longer has them, and when it is uninstalled.
const (
	KeepAnnotation = helmkube.ResourcePolicyAnno
	KeepPolicy     = helmkube.KeepPolicy
)

// Confirm marks a pending revision as deployed, and returns it: Helm counts an install as done whose last write, the one that says
// so, was refused. The caller makes sure that everything of the release is there.
func (e *Engine) Confirm(ctx context.Context, namespace, name string) (*Record, error) {
	return e.run(ctx, Request{Name: name, Namespace: namespace}, func(cfg *action.Configuration) (*helmrelease.Release, error) {
		rel, err := cfg.Releases.Last(name)
		if err != nil {
			return nil, err
		}
		rel.SetStatus(helmrelease.StatusDeployed, "confirmed by storeplatform")
		return rel, cfg.Releases.Update(rel)
	})
}

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

// Supersede marks an earlier revision as superseded: Helm passes over its own last write that fails to do so.
func (e *Engine) Supersede(ctx context.Context, namespace, name string, revision int) error {
	_, err := e.run(ctx, Request{Name: name, Namespace: namespace}, func(cfg *action.Configuration) (*helmrelease.Release, error) {
		rel, err := cfg.Releases.Get(name, revision)
		if err != nil {
			return nil, err
		}
		rel.SetStatus(helmrelease.StatusSuperseded, "superseded; marked by storeplatform")
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
	// Helm's own look at the cluster's kinds cannot be cancelled.
	if cached, ok := e.discovery.(discovery.CachedDiscoveryInterfaceWithContext); ok {
		if _, err := cached.ServerGroupsWithContext(ctx); err != nil {
			return nil, fmt.Errorf("read the kinds of the cluster: %w", err)
		}
	}
	objects, stop := lingering(ctx, grace)
	defer stop()
	record, stop := lingering(ctx, grace+lastWrite)
	defer stop()
	requests := &requests{objects: objects, record: record}
	cfg := new(action.Configuration)
	// Helm's log prints whole objects when it cannot decode one, Secrets included: drop it.
	if err := cfg.Init(e.getter(requests, r.Namespace), r.Namespace, "secret", discard); err != nil {
		return nil, fmt.Errorf("prepare helm: %w", err)
	}
	cfg.Capabilities = capabilities()
	helm, ok := cfg.KubeClient.(*helmkube.Client)
	if !ok {
		return nil, fmt.Errorf("prepare helm: its client is a %T", cfg.KubeClient)
	}
	cfg.KubeClient = client{helm}
	rel, err := do(cfg)
	switch failed := requests.failed.Load(); {
	case errors.Is(err, driver.ErrReleaseNotFound):
		err = fmt.Errorf("%w: %s in namespace %s", ErrNotFound, r.Name, r.Namespace)
	case err != nil && failed != nil && ctx.Err() != nil: // Helm drops the cause here and there
		err = fmt.Errorf("%w: %w (%s)", context.Cause(ctx), err, failed.text)
	case err != nil && failed != nil:
		err = fmt.Errorf("%w (%s)", err, failed.text)
	case failed != nil && ctx.Err() != nil: // Helm passes over a last write that fails
		err = fmt.Errorf("%w (%s)", context.Cause(ctx), failed.text)
	}
	switch {
	case err != nil:
		return nil, corrupt(record, cfg, r.Namespace, r.Name, err)
	case rel == nil:
		return nil, nil
	}
	return &Record{
		Name: rel.Name, Revision: rel.Version, Status: rel.Info.Status.String(), ChartVersion: rel.Chart.Metadata.Version,
		AppVersion: rel.Chart.Metadata.AppVersion, Created: rel.Info.LastDeployed.Time,
	}, nil
}

// client is Helm's, without the request by which each action finds out whether there is an API server: the caller has just spoken to it.
type client struct{ *helmkube.Client }

// IsReachable implements [helmkube.Interface].
func (client) IsReachable() error { return nil }

// getter gives Helm the shared clients, and the namespace of one release.
type getter struct {
	*Engine
	requests *requests
	loader   clientcmd.ClientConfig
}

var _ genericclioptions.RESTClientGetter = getter{}

func (e *Engine) getter(requests *requests, namespace string) getter {
	return getter{e, requests, clientcmd.NewDefaultClientConfig(*clientcmdapi.NewConfig(), &clientcmd.ConfigOverrides{
		Context: clientcmdapi.Context{Namespace: namespace},
	})}
}

// ToRESTConfig returns a copy, for Helm's builder changes the configuration that it gets, whose requests end with the action.
func (g getter) ToRESTConfig() (*rest.Config, error) {
	config := rest.CopyConfig(g.config)
	config.Wrap(g.requests.through)
	return config, nil
}

// requests are those of one action. Helm's actions take no context, and their errors do not say which request was refused.
type requests struct {
	objects context.Context // ends those about objects of the chart
	record  context.Context // ends those about the record of a revision
	failed  atomic.Pointer[failedRequest]
}

// failedRequest is the first one that got no answer, or else the last one that was refused.
type failedRequest struct {
	text     string // "POST /apis/…"
	answered bool
}

func (r *requests) through(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		ctx := r.objects
		if strings.HasPrefix(path.Base(req.URL.Path), storage.HelmStorageType) {
			ctx = r.record
		}
		resp, err := contextTransport{ctx, next}.RoundTrip(req)
		if err != nil || resp.StatusCode >= http.StatusBadRequest && resp.StatusCode != http.StatusNotFound {
			failed := &failedRequest{text: req.Method + " " + req.URL.Path + nameIn(req), answered: err == nil}
			if before := r.failed.Load(); before == nil || before.answered {
				r.failed.Store(failed)
			}
		}
		return resp, err
	})
}

// nameIn is " name" of the object that a request creates, whose path does not say it; nothing when it cannot be read.
func nameIn(req *http.Request) string {
	if req.Method != http.MethodPost || req.GetBody == nil {
		return ""
	}
	body, err := req.GetBody()
	if err != nil {
		return ""
	}
	var object metav1.PartialObjectMetadata
	if err := errors.Join(json.NewDecoder(body).Decode(&object), body.Close()); err != nil {
		return ""
	}
	return " " + object.Name
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Once its caller gives up, an action may go on with the objects of the chart for some time, and has some more to record what became
// of the revision. One that is cut off before leaves its release pending, one that goes on for longer keeps people waiting for their
// Ctrl-C.
const (
	grace     = 3 * time.Second
	lastWrite = 2 * time.Second
)

// lingering is a context that ends some time after ctx.
func lingering(ctx context.Context, grace time.Duration) (context.Context, func()) {
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
