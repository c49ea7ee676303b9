package kube

import (
	"context"
	"errors"
	"fmt"
	"mime"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// pageSize bounds the memory of a list: a page is held as it travelled, and its objects decoded one at a time. What carries a pod
// template or content is several times as large as the rest.
func (q Query) pageSize() int64 {
	switch q.Kind.Kind {
	case "Pod", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob":
		return 1000
	case "Secret":
		if !q.Metadata {
			return 500
		}
	}
	return 2000
}

// Query is one list of objects.
type Query struct {
	Kind      Kind
	Namespace string // empty = all
	Selector  string // of labels, empty = all
	Metadata  bool   // read metadata alone: for Secrets; of well-known kinds
}

// String returns what is listed, such as "secrets in namespace store-acme".
func (q Query) String() string {
	if q.Namespace == "" {
		return q.Kind.Resource
	}
	return q.Kind.Resource + " in namespace " + q.Namespace
}

// List calls each for every object of the query, page by page. Well-known kinds travel as protobuf, which costs a third of
// JSON's time.
func (c *Cluster) List(ctx context.Context, q Query, each func(*unstructured.Unstructured) error) error {
	return c.list(ctx, q, func(item runtime.Object) error {
		object, err := toUnstructured(item, q.Kind.GroupVersionKind)
		if err != nil {
			return err
		}
		return each(object)
	})
}

// list calls each for every object of the query, well-known kinds as their types. A list that takes so long that the server
// has forgotten its beginning goes on with what is there now, which the server offers with its refusal.
func (c *Cluster) list(ctx context.Context, q Query, each func(runtime.Object) error) error {
	options := metav1.ListOptions{LabelSelector: q.Selector, Limit: q.pageSize()}
	for {
		next, err := c.page(ctx, q, options, each)
		if token, ok := resumeToken(err); ok && token != options.Continue {
			next, err = token, nil
		}
		if err != nil {
			return fmt.Errorf("list %s: %w", q, c.readError(err))
		}
		if next == "" {
			return nil
		}
		options.Continue = next
	}
}

// resumeToken returns where a list goes on whose token has expired (410).
func resumeToken(err error) (string, bool) {
	var status apierrors.APIStatus
	if !apierrors.IsResourceExpired(err) || !errors.As(err, &status) {
		return "", false
	}
	token := status.Status().Continue
	return token, token != ""
}

// onlyMetadata asks for objects without what they hold.
const onlyMetadata = runtime.ContentTypeProtobuf + ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1," +
	runtime.ContentTypeJSON + ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

// page calls each for the objects of a page and returns where the next one begins.
func (c *Cluster) page(ctx context.Context, q Query, options metav1.ListOptions, each func(runtime.Object) error) (next string, err error) {
	if !scheme.Scheme.Recognizes(q.Kind.GroupVersionKind) {
		list, err := c.Dynamic.Resource(q.Kind.GroupVersionResource()).Namespace(q.Namespace).List(ctx, options)
		if err != nil {
			return "", err
		}
		return list.GetContinue(), meta.EachListItem(list, each)
	}
	client, err := c.typedClient(q.Kind.GroupVersion())
	if err != nil {
		return "", err
	}
	request := client.Get().NamespaceIfScoped(q.Namespace, q.Namespace != "").Resource(q.Kind.Resource).VersionedParams(&options, scheme.ParameterCodec)
	if q.Metadata {
		request.SetHeader("Accept", onlyMetadata)
	}
	answer := request.Do(ctx)
	if err := answer.Error(); err != nil {
		return "", err
	}
	var contentType string
	answer.ContentType(&contentType)
	if mediaType, _, err := mime.ParseMediaType(contentType); err == nil && mediaType == runtime.ContentTypeProtobuf {
		data, err := answer.Raw()
		if err != nil {
			return "", err
		}
		list, err := eachInProtobuf(data, q.newItem, each)
		return list.Continue, err
	}
	list, err := q.newList()
	if err != nil {
		return "", err
	}
	if err := answer.Into(list); err != nil {
		return "", err
	}
	accessor, err := meta.ListAccessor(list)
	if err != nil {
		return "", err
	}
	return accessor.GetContinue(), meta.EachListItem(list, each)
}

func (q Query) newItem() (runtime.Object, error) {
	if q.Metadata {
		return new(metav1.PartialObjectMetadata), nil
	}
	return scheme.Scheme.New(q.Kind.GroupVersionKind)
}

func (q Query) newList() (runtime.Object, error) {
	if q.Metadata {
		return new(metav1.PartialObjectMetadataList), nil
	}
	return scheme.Scheme.New(q.Kind.GroupVersion().WithKind(q.Kind.Kind + "List"))
}

func (c *Cluster) typedClient(gv schema.GroupVersion) (rest.Interface, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if client, ok := c.clients[gv]; ok {
		return client, nil
	}
	config := rest.CopyConfig(c.Config)
	config.GroupVersion = &gv
	config.APIPath = "/apis"
	if gv.Group == "" {
		config.APIPath = "/api"
	}
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, err
	}
	c.clients[gv] = client
	return client, nil
}

// toUnstructured gives items of a list their kind, which lists leave out.
func toUnstructured(item runtime.Object, gvk schema.GroupVersionKind) (*unstructured.Unstructured, error) {
	object, ok := item.(*unstructured.Unstructured)
	if !ok {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(item)
		if err != nil {
			return nil, fmt.Errorf("convert %s: %w", gvk.Kind, err)
		}
		object = &unstructured.Unstructured{Object: content}
	}
	object.SetGroupVersionKind(gvk)
	return object, nil
}
