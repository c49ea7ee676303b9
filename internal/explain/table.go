package explain

import (
	"slices"
	"time"
)

// The codes of causes. They are stable: programs decide on them.
const (
	ImageName        = "image-name"
	JobFailed        = "job-failed"
	QuotaExceeded    = "quota-exceeded"
	LimitRange       = "limit-range"
	PodSecurity      = "pod-security"
	PodsRejected     = "pods-rejected"
	NoStorageClass   = "storage-class-missing"
	ImageDenied      = "image-denied"
	ImagePull        = "image-pull"
	BadConfig        = "container-config"
	OutOfMemory      = "out-of-memory"
	CrashLoop        = "crash-loop"
	JobAttemptFailed = "job-attempt-failed"
	NodePressure     = "node-pressure"
	Unschedulable    = "unschedulable"
	ClaimUnbound     = "claim-unbound"
	MountFailed      = "mount-failed"
	ProbeFailing     = "probe-failing"
	RolloutStalled   = "rollout-stalled"
	NoEndpoints      = "service-without-endpoints"
	NoLoadBalancer   = "load-balancer-pending"
	NoService        = "ingress-without-service"
	NoIngressClass   = "ingress-class-missing"
	InitContainer    = "init-container"
	APITimeout       = "api-timeout"
)

// Entry is one kind of cause, in words for messages and for the guide. Its texts have placeholders: {namespace}, {name} of the
// object, {container}, {image}, {limit}, {class}, {service}.
type Entry struct {
	Code    string
	Title   string
	Message string // what is wrong with the object, one clause
	Means   string // for the guide
	Fix     string // what to do

	// Terminal causes end a wait before its time, once they have held for Grace without a break.
	Terminal bool
	Grace    time.Duration
	// Patience says why the wait ends then, or goes on.
	Patience string
	// Dated causes are shown long after they are repaired: they end a wait only when the cluster repeated them in it.
	Dated bool
}

const (
	// refusalGrace: a pod that ends frees its quota within seconds, and controllers try again at growing intervals from 5 ms on
	// (client-go, DefaultTypedControllerRateLimiter): in 15 s they have tried eleven times.
	refusalGrace = 15 * time.Second
	// pullGrace: the kubelet pulls again after 10 s and 20 s (kubernetes, pkg/kubelet/kubelet.go, imageBackOffPeriod), so three
	// pulls have failed by then.
	pullGrace = 30 * time.Second
	// configGrace: the kubelet looks at a pod again every minute (--sync-frequency), so it has seen a repaired Secret by then.
	configGrace = 90 * time.Second
	// classGrace: a StorageClass that the same run installs comes within seconds of its claim.
	classGrace = 15 * time.Second
)

// Table returns every kind of cause, the most telling first.
func Table() []Entry { return slices.Clone(table) }

// rank is the place of a code in the table.
func rank(code string) int {
	return slices.IndexFunc(table, func(e Entry) bool { return e.Code == code })
}

var table = []Entry{
	{
		Code: ImageName, Title: "The image reference is not valid",
		Message:  "image {image} of container {container} cannot exist: its reference is not valid",
		Means:    "The reference breaks the rules for names of images, for example with capital letters or a space, so no registry is asked.",
		Fix:      "Correct the image in the store's engine, then apply again.",
		Terminal: true, Patience: "Only another reference can help.",
	},
	{
		Code: JobFailed, Title: "A Job failed",
		Message: "the job failed",
		Means: "A Job, such as the one that installs the shop or migrates its database, used up its attempts (`backoffLimit`) or its time " +
			"(`activeDeadlineSeconds`). Kubernetes does not start it again.",
		Fix:      "Repair what its log names, then apply again: that makes the Job anew.",
		Terminal: true, Patience: "A failed Job stays failed.",
	},
	{
		Code: QuotaExceeded, Title: "A quota refuses pods",
		Message:  "its pods are refused: the quota of the plan is used up",
		Means:    "The pods of the store ask for more CPU, memory or pods than its plan has. The message shows what was requested, used and allowed.",
		Fix:      "Choose a larger plan, or ask for less: fewer replicas, smaller limits.",
		Terminal: true, Grace: refusalGrace, Dated: true, Patience: "A pod that is about to end, or a Job that runs, may free the quota: while there is one, the wait goes on.",
	},
	{
		Code: LimitRange, Title: "A limit range refuses pods",
		Message:  "its pods are refused: a container or volume is outside the limits of the namespace",
		Means:    "A LimitRange of the namespace bounds single containers, pods or volumes, and one asks for more or less than that.",
		Fix:      "Change the container's requests and limits to what the message allows, or choose a plan that allows them.",
		Terminal: true, Grace: refusalGrace, Dated: true, Patience: "Neither the pods nor the limits change by themselves.",
	},
	{
		Code: PodSecurity, Title: "Pod Security refuses pods",
		Message:  "its pods are refused: they break the rules of Pod Security",
		Means:    "Every namespace of a store enforces the level `restricted` of Pod Security. The message lists what the pod lacks.",
		Fix:      "Set what the message lists in the chart's security contexts (runAsNonRoot, seccompProfile, capabilities and so on).",
		Terminal: true, Grace: refusalGrace, Dated: true, Patience: "Neither the pods nor the rules change by themselves.",
	},
	{
		Code: PodsRejected, Title: "Something else refuses pods",
		Message:  "its pods are refused",
		Means:    "The API server does not let the pods in: an admission webhook or policy of the cluster, or a ServiceAccount that is missing.",
		Fix:      "Ask who runs the cluster about the policy or webhook that the message names.",
		Patience: "A webhook may only be down for a moment.",
	},
	{
		Code: NoStorageClass, Title: "The storage class does not exist",
		Message:  "its storage class {class} does not exist",
		Means:    "The volume asks for a StorageClass that the cluster does not have, or for the default one where none is marked as default.",
		Fix:      "Set storage.class to a class of the cluster (kubectl get storageclass), or install it. The class of an existing volume cannot be changed: delete the claim first if it holds no data.",
		Terminal: true, Grace: classGrace, Patience: "Another part of the same run may be installing the class.",
	},
	{
		Code: ImageDenied, Title: "The registry denies the image",
		Message:  "the registry denies image {image} of container {container}",
		Means:    "The registry answered that the image may not be read: it is private and no credentials were sent, or wrong ones, or it does not exist. Many registries do not tell these apart.",
		Fix:      "Check the image's name, and give the nodes or the pods (imagePullSecrets) credentials that may read it.",
		Terminal: true, Grace: pullGrace, Dated: true, Patience: "The kubelet tries again; three failed pulls are enough.",
	},
	{
		Code: ImagePull, Title: "An image cannot be pulled",
		Message:  "image {image} of container {container} cannot be pulled",
		Means:    "The image or its tag does not exist, or the node does not reach the registry.",
		Fix:      "Check the image's name and tag, and that the nodes reach its registry. A private image needs imagePullSecrets.",
		Terminal: true, Grace: pullGrace, Dated: true, Patience: "The kubelet tries again; three failed pulls are enough.",
	},
	{
		Code: BadConfig, Title: "A container cannot be configured",
		Message:  "container {container} cannot be configured",
		Means:    "The container refers to a Secret or ConfigMap that is not there, or to a key that it does not have.",
		Fix:      "Create what the message names, or correct the name of the Secret, ConfigMap or key in the chart's values.",
		Terminal: true, Grace: configGrace, Patience: "A Secret may be made by somebody else meanwhile; the kubelet looks again every minute.",
	},
	{
		Code: OutOfMemory, Title: "A container runs out of memory",
		Message:  "container {container} was killed: it used more memory than its limit{limit}",
		Means:    "The kernel killed the container at its memory limit (OOMKilled, exit code 137). It is started again.",
		Fix:      "Give the container a higher memory limit, and the store a plan with room for it.",
		Patience: "A restart may need less memory.",
	},
	{
		Code: CrashLoop, Title: "A container keeps ending",
		Message:  "container {container} keeps ending",
		Means:    "The container ends right after its start, again and again. The exit code and the last lines of its log tell why.",
		Fix:      "Read its log: kubectl -n {namespace} logs {name} -c {container} --previous",
		Patience: "What it waits for, such as its database, may still come.",
	},
	{
		Code: JobAttemptFailed, Title: "An attempt of a Job failed",
		Message:  "container {container} failed; the job tries again while it has attempts left",
		Means:    "A pod of a Job ended with an error. The Job starts another one, after a pause that grows.",
		Fix:      "Read its log: kubectl -n {namespace} logs {name} -c {container}",
		Patience: "The next attempt may succeed.",
	},
	{
		Code: NodePressure, Title: "A node is short of something or not ready",
		Message:  "the node is not fit for pods",
		Means:    "A node is short of memory, disk or process ids, or not ready. The kubelet then evicts pods, and new ones are kept away.",
		Fix:      "Free the resource that the message names, or add a node: kubectl describe nodes",
		Patience: "A node that recovers takes pods again.",
	},
	{
		Code: Unschedulable, Title: "No node takes the pod",
		Message:  "no node takes the pod",
		Means:    "The scheduler says of each node why it does not fit: too little CPU or memory left, a taint, a volume that is elsewhere or not bound.",
		Fix:      "Add a node, or free or add the resource that the scheduler names.",
		Patience: "An autoscaler may add a node.",
	},
	{
		Code: ClaimUnbound, Title: "A volume is not provisioned",
		Message:  "the volume is not provisioned",
		Means:    "A claim got no volume. Its events carry the words of the provisioner.",
		Fix:      "Check that the provisioner of the claim's StorageClass runs and has room.",
		Patience: "Provisioners try again.",
	},
	{
		Code: MountFailed, Title: "A volume cannot be mounted",
		Message:  "a volume of the pod cannot be mounted",
		Means:    "A Secret or ConfigMap that is mounted as files is not there or lacks a key, or a volume cannot be attached to the node.",
		Fix:      "Create what the message names, or correct its name or key. If it is a volume, see whether another node still holds it.",
		Patience: "Attaching a volume may take minutes, and is tried again.",
	},
	{
		Code: ProbeFailing, Title: "A container runs but is not ready",
		Message:  "container {container} runs but fails its probe",
		Means:    "The container is up, but its startup, readiness or liveness probe fails.",
		Fix:      "Read its log: kubectl -n {namespace} logs {name} -c {container}",
		Patience: "Slow starts look the same.",
	},
	{
		Code: RolloutStalled, Title: "A rollout makes no progress",
		Message:  "its rollout makes no progress",
		Means:    "No pod of the new revision became ready within `progressDeadlineSeconds`. The causes of its pods tell more.",
		Fix:      "Repair what its pods lack; it then goes on: kubectl -n {namespace} describe deployment {name}",
		Patience: "The controller itself goes on trying.",
	},
	{
		Code: NoEndpoints, Title: "A Service has no endpoints",
		Message:  "no ready pod is behind the service",
		Means:    "Nothing answers behind the Service: no pod has the labels that it selects, or none of those is ready.",
		Fix:      "If no pod matches, correct the selector of the Service; otherwise see why its pods are not ready.",
		Patience: "It follows the pods.",
	},
	{
		Code: NoLoadBalancer, Title: "A Service waits for a load balancer",
		Message:  "no load balancer took the service",
		Means:    "The Service is of type LoadBalancer and nobody gave it an address.",
		Fix:      "Install or repair the load balancer of the cluster, or use type ClusterIP: a store is reached through its Ingress.",
		Patience: "Load balancers of clouds take minutes.",
	},
	{
		Code: NoService, Title: "An Ingress points to a Service that is not there",
		Message:  "service {service} of the ingress does not exist",
		Means:    "The Ingress sends visitors to a Service that the namespace does not have.",
		Fix:      "Set the engine's service to one that its chart makes.",
		Patience: "The Service may still come.",
	},
	{
		Code: NoIngressClass, Title: "An Ingress has no class",
		Message:  "no ingress controller serves the ingress: class {class} does not exist",
		Means:    "The Ingress names an IngressClass that the cluster does not have, or none where the cluster has no default.",
		Fix:      "Install an ingress controller, mark its IngressClass as default, or set the ingress class to one that the cluster has (kubectl get ingressclass).",
		Patience: "A controller may still be installed.",
	},
	{
		Code: InitContainer, Title: "A pod waits in an init container",
		Message:  "the pod waits until its init container {container} ends",
		Means:    "The containers of a pod start after its init containers, which wait for a database or prepare files, and one of them still runs.",
		Fix:      "If it takes long, read its log: kubectl -n {namespace} logs {name} -c {container}",
		Patience: "It may only take its time.",
	},
	{
		Code: APITimeout, Title: "The API server does not answer",
		Message:  "the cluster could not be watched",
		Means:    "Requests to the API server time out, break off or are refused, so nothing is known of the pods.",
		Fix:      "Check the network between here and the API server, and its load; then apply again.",
		Patience: "Requests are repeated until the time is over.",
	},
}
