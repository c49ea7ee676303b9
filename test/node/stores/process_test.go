package stores_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// confinement is what the kernel says of a process, in /proc: not what its pod asked for.
type confinement struct {
	UID          string // real, effective, saved, file system
	GID          string
	Capabilities string // permitted, effective and bounding set together
	Seccomp      string // 2: filtered
	NoNewPrivs   string
	Root         string // ro or rw
}

// confined is how every process of a store has to be, as a user.
func confined(uid int) confinement {
	id := strconv.Itoa(uid)
	return confinement{UID: id, GID: id, Capabilities: "0", Seccomp: "2", NoNewPrivs: "1", Root: "ro"}
}

// observer looks at every process of a namespace's pods, again and again, until it is stopped.
type observer struct {
	client    kubernetes.Interface
	namespace string
	stop      func()

	mutex sync.Mutex
	found map[string]map[confinement]string // container -> how its processes were, with an example
	peak  map[string]int64                  // container -> highest memory in bytes
	sum   int64                             // highest memory of all containers at one time
}

// observe starts an observer.
func observe(t *testing.T, client kubernetes.Interface, namespace string) *observer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	o := &observer{client: client, namespace: namespace, found: map[string]map[confinement]string{}, peak: map[string]int64{}}
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			o.look(ctx)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	o.stop = func() { cancel(); done.Wait() }
	t.Cleanup(o.stop)
	return o
}

// look looks once. What is not there yet, or no more, is seen another time.
func (o *observer) look(ctx context.Context) {
	pods, err := o.client.CoreV1().Pods(o.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return
	}
	containers := map[string]string{} // ID -> component/container
	for _, pod := range pods.Items {
		for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			if status.State.Running != nil {
				containers[containerID(status)] = pod.Labels["app.kubernetes.io/component"] + "/" + status.Name
			}
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return
	}
	o.mutex.Lock()
	defer o.mutex.Unlock()
	memory := map[string]int64{}
	for _, process := range processes {
		id, group := containerOf(process)
		name, ours := containers[id]
		if !ours {
			continue
		}
		memory[id] = memoryOf(group)
		o.peak[name] = max(o.peak[name], memory[id])
		seen, command, err := confinementOf(process)
		if err != nil || strings.HasPrefix(command, "runc") { // of runc, which becomes the container's process
			continue
		}
		if o.found[name] == nil {
			o.found[name] = map[confinement]string{}
		}
		o.found[name][seen] = command
	}
	var sum int64
	for _, bytes := range memory {
		sum += bytes
	}
	o.sum = max(o.sum, sum)
}

// expect fails the test unless every process of the named containers was confined, with the container's user.
func (o *observer) expect(t *testing.T, users map[string]int) {
	t.Helper()
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if got, want := slices.Sorted(maps.Keys(o.found)), slices.Sorted(maps.Keys(users)); !slices.Equal(got, want) {
		t.Errorf("Processes ran in containers %v, want %v", got, want)
	}
	for name, uid := range users {
		for got, command := range o.found[name] {
			if want := confined(uid); got != want {
				t.Errorf("Process %q of container %s:\n  is     %+v\n  should %+v", command, name, got, want)
			}
		}
		t.Logf("%-20s uid %d, no capability, seccomp filter, no new privileges, read-only root; %4d MiB at most", name, uid, o.peak[name]>>20)
	}
	t.Logf("All containers of %s together: %d MiB at most", o.namespace, o.sum>>20)
}

// fits fails the test when all containers together, Jobs included, have used more memory at one time than a plan has.
func (o *observer) fits(t *testing.T, ref spec.PlanRef) {
	t.Helper()
	plan, err := ref.Plan()
	if err != nil {
		t.Fatalf("Read plan %s: %v", ref, err)
	}
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if room := resource.MustParse(plan.Memory); o.sum == 0 || o.sum > room.Value() {
		t.Errorf("All containers of %s together used %d MiB, plan %s has %s", o.namespace, o.sum>>20, plan.Name, plan.Memory)
	}
	for _, name := range slices.Sorted(maps.Keys(o.peak)) {
		t.Logf("%-20s %4d MiB at most", name, o.peak[name]>>20)
	}
	t.Logf("All containers of %s together: %d MiB at most, plan %s has %s", o.namespace, o.sum>>20, plan.Name, plan.Memory)
}

func containerID(status corev1.ContainerStatus) string {
	_, id, _ := strings.Cut(status.ContainerID, "://")
	return id
}

// containerOf returns the container of a process and its memory control group: the group is named after the container.
func containerOf(process string) (id, group string) {
	data, err := os.ReadFile(process + "/cgroup")
	if err != nil {
		return "", ""
	}
	for line := range strings.Lines(string(data)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) == 3 && (parts[1] == "memory" || parts[0] == "0" && group == "") {
			group = parts[2]
			if parts[1] == "memory" {
				return filepath.Base(group), group
			}
		}
	}
	return filepath.Base(group), group
}

// memoryOf is what a control group uses without what the kernel can drop at once, as the kubelet counts it.
func memoryOf(group string) int64 {
	files := []struct{ usage, stat, inactive string }{
		{"/sys/fs/cgroup/memory" + group + "/memory.usage_in_bytes", "/sys/fs/cgroup/memory" + group + "/memory.stat", "total_inactive_file"},
		{"/sys/fs/cgroup" + group + "/memory.current", "/sys/fs/cgroup" + group + "/memory.stat", "inactive_file"},
	}
	for _, file := range files {
		usage, err := os.ReadFile(file.usage)
		if err != nil {
			continue
		}
		total, _ := strconv.ParseInt(strings.TrimSpace(string(usage)), 10, 64)
		stat, _ := os.ReadFile(file.stat)
		inactive, _ := strconv.ParseInt(field(stat, file.inactive+" "), 10, 64)
		return max(0, total-inactive)
	}
	return 0
}

// confinementOf reads what the kernel says of a process.
func confinementOf(process string) (confinement, string, error) {
	status, err := os.ReadFile(process + "/status")
	if err != nil {
		return confinement{}, "", err
	}
	mounts, err := os.ReadFile(process + "/mountinfo")
	if err != nil {
		return confinement{}, "", err
	}
	c := confinement{
		UID: same(field(status, "Uid:")), GID: same(field(status, "Gid:")),
		Seccomp: field(status, "Seccomp:"), NoNewPrivs: field(status, "NoNewPrivs:"), Root: rootMode(mounts),
	}
	var all uint64
	for _, set := range []string{"CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"} {
		bits, err := strconv.ParseUint(field(status, set), 16, 64)
		if err != nil {
			return confinement{}, "", err
		}
		all |= bits
	}
	c.Capabilities = strconv.FormatUint(all, 16)
	if c.Root == "" {
		return confinement{}, "", fmt.Errorf("no root in the mounts of %s", process) // it is ending
	}
	return c, field(status, "Name:"), nil
}

// field returns the rest of the line that begins with a name.
func field(data []byte, name string) string {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		if rest, found := strings.CutPrefix(lines.Text(), name); found {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// same is the one value of a list of equal ones, else the list.
func same(list string) string {
	values := slices.Compact(strings.Fields(list))
	if len(values) == 1 {
		return values[0]
	}
	return list
}

// rootMode is the mode in which the root of a process is mounted.
func rootMode(mounts []byte) string {
	for line := range strings.Lines(string(mounts)) {
		parts := strings.Fields(line)
		if len(parts) > 5 && parts[4] == "/" {
			mode, _, _ := strings.Cut(parts[5], ",")
			return mode
		}
	}
	return ""
}
