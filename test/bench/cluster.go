package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/blueprint"
)

// cluster is the test cluster, past the recorder.
type cluster struct {
	config *rest.Config
	client kubernetes.Interface
}

func connect(kubeconfig string) (*cluster, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &cluster{config: config, client: client}, nil
}

// makeRoom gives simulated nodes the size that thousands of stores need.
func (c *cluster) makeRoom(ctx context.Context) error {
	size := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("100k"),
		corev1.ResourceMemory: resource.MustParse("1Pi"),
		corev1.ResourcePods:   resource.MustParse("100k"),
	}
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"capacity": size, "allocatable": size}})
	if err != nil {
		return fmt.Errorf("encode patch: %w", err)
	}
	nodes, err := c.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	for _, node := range nodes.Items {
		if _, simulated := node.Annotations["kwok.x-k8s.io/node"]; !simulated {
			continue
		}
		if _, err := c.client.CoreV1().Nodes().Patch(ctx, node.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
			return fmt.Errorf("enlarge node %s: %w", node.Name, err)
		}
	}
	return nil
}

// removeFleet deletes the namespaces of a fleet, and returns when they are gone.
func (c *cluster) removeFleet(ctx context.Context, fleet string) error {
	selector := blueprint.LabelFleet + "=" + fleet
	namespaces := c.client.CoreV1().Namespaces()
	const interval, limit = time.Second, 5 * time.Minute
	err := wait.PollUntilContextTimeout(ctx, interval, limit, true, func(ctx context.Context) (bool, error) {
		list, err := namespaces.List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return false, err
		}
		for _, namespace := range list.Items {
			if namespace.DeletionTimestamp != nil {
				continue
			}
			if err := namespaces.Delete(ctx, namespace.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
				return false, err
			}
		}
		return len(list.Items) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("remove fleet %s: %w", fleet, err)
	}
	return nil
}

// served is what the API server counted: finished requests of everybody, by verb and resource.
type served map[servedKey]int

type servedKey struct{ verb, resource, subresource string }

// requestTotal is a sample of apiserver_request_total without a dry run, with its labels in alphabetical order.
var requestTotal = regexp.MustCompile(
	`^apiserver_request_total\{.*dry_run="".*,resource="([^"]*)".*,subresource="([^"]*)",verb="([^"]*)".*\} ([0-9.e+]+)$`)

// requests reads the API server's own metrics.
func (c *cluster) requests(ctx context.Context) (served, error) {
	data, err := c.client.CoreV1().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the API server's metrics: %w", err)
	}
	return parseMetrics(data)
}

func parseMetrics(data []byte) (served, error) {
	counts := make(served)
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		fields := requestTotal.FindStringSubmatch(lines.Text())
		if fields == nil {
			continue
		}
		value, err := strconv.ParseFloat(fields[4], 64)
		if err != nil {
			return nil, fmt.Errorf("metric %q: %w", lines.Text(), err)
		}
		counts[servedKey{verb: fields[3], resource: fields[1], subresource: fields[2]}] += int(value)
	}
	if len(counts) == 0 {
		return nil, errors.New("the API server's metrics have no apiserver_request_total")
	}
	return counts, lines.Err()
}

// since is what was counted after an earlier reading.
func (s served) since(earlier served) served {
	diff := make(served)
	for key, count := range s {
		if grown := count - earlier[key]; grown > 0 {
			diff[key] = grown
		}
	}
	return diff
}

var (
	writeVerbs = []string{"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"}
	// Nobody but a provider writes these once stores are ready. The cluster's own controllers go on writing the status of some,
	// and Jobs, pods and events for the CronJobs of the stores.
	storeResources = []string{
		"namespaces", "resourcequotas", "limitranges", "networkpolicies", "serviceaccounts", "secrets", "configmaps", "services",
		"persistentvolumeclaims", "deployments", "statefulsets", "cronjobs", "ingresses",
	}
)

// writesToStores counts writes to what stores consist of.
func (s served) writesToStores() int {
	sum := 0
	for key, count := range s {
		if slices.Contains(writeVerbs, key.verb) && slices.Contains(storeResources, key.resource) && key.subresource == "" {
			sum += count
		}
	}
	return sum
}

// lists counts lists, which the cluster's own components make only when they start.
func (s served) lists() int {
	sum := 0
	for key, count := range s {
		if key.verb == "LIST" {
			sum += count
		}
	}
	return sum
}

func (s served) writes() int {
	sum := 0
	for key, count := range s {
		if slices.Contains(writeVerbs, key.verb) {
			sum += count
		}
	}
	return sum
}

// settle returns when the cluster has little to do by itself: pods of new stores and of CronJobs take the same cores. A cluster that
// does not come to rest in time is measured as it is.
func (c *cluster) settle(ctx context.Context) error {
	const interval, limit, few = time.Second, 2 * time.Minute, 20
	before, err := c.requests(ctx)
	if err != nil {
		return err
	}
	err = wait.PollUntilContextTimeout(ctx, interval, limit, false, func(ctx context.Context) (bool, error) {
		now, err := c.requests(ctx)
		if err != nil {
			return false, err
		}
		quiet := now.since(before).writes() < few
		before = now
		return quiet, nil
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		say("the cluster does not come to rest")
		return nil
	}
	return err
}
