package spec

import (
	"fmt"
	"net/mail"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Store is a tenant's shop: one namespace with its guardrails and one Helm release.
type Store struct {
	Name   string  // identity within the fleet: a DNS label of at most 50 characters
	Owner  string  // who the store belongs to: letters, digits, '-', '_', '.', at most 63 characters
	Plan   PlanRef // default "standard"
	Engine Engine  // what runs: WooCommerce, Medusa or Chart

	Host    string  // name the shop answers to; empty = no ingress of its own (domains can be bound later)
	Storage Storage // of the store's volumes
	Egress  Egress  // default EgressWeb
	Backup  Backup  // of the data of an embedded engine

	// RestoreFrom is a backup that takes the place of the data: its id, or "store/id" of another store of the fleet. A backup is
	// restored once, when the value changes; it stays at that until the value changes again.
	RestoreFrom string

	// Rotation is any text. Another one than before, unless it is empty, makes a new password for the shop at its database, and for
	// the administrator where that one was generated, without downtime. Everything else generated stays: the keys, salts and secrets
	// that sign sessions, and the passwords of the cache and of the database's superuser.
	Rotation string

	AllowDeletion bool          // false (the default) protects the store from every kind of deletion
	Retention     DataRetention // what deletion does to the volumes, default RetainData
	OnFailure     OnFailure     // what a failed create or update does; empty = a create keeps, an update rolls back
	RollbackTo    int           // revision of the Helm release to go back to and to stay at; 0 = what this specification asks for
	Adopt         bool          // take over an existing namespace that nobody owns
	Ignore        []string      // drift that is neither shown nor repaired, see [ParseIgnore]
}

// Storage says where the volumes of a store live. Sizes are fixed once a volume exists, unless its class can expand.
type Storage struct {
	Class    string `json:"class,omitempty"` // StorageClass, default the cluster's
	Content  string `json:"content"`         // size of the content volume, default "5Gi"
	Database string `json:"database"`        // size of the database volume, default "5Gi"
}

// Egress is what the pods of a store may reach outside of it. Name lookups work in every profile. Private networks, the
// cloud's metadata service, the nodes and the API server are out of reach in every profile.
type Egress string

// The egress profiles.
const (
	EgressNone Egress = "none" // nothing; only the setup of WooCommerce fetches its plugin, over HTTPS
	EgressWeb  Egress = "web"  // public addresses on TCP 80 and 443 (payments, updates) and 587 (mail)
)

// DataRetention is what deleting a store does to its volumes.
type DataRetention string

// The retention policies.
const (
	RetainData DataRetention = "retain" // volumes stay in the cluster, released, and are named at deletion
	DeleteData DataRetention = "delete" // volumes go with the store
)

// OnFailure is what an operation does when its release is refused or does not become ready. One that was cancelled, or that could
// not reach the cluster, leaves everything as it is, and the next operation goes on from there.
type OnFailure string

// What a failed operation does.
const (
	KeepFailed      OnFailure = "keep"      // nothing: what is there can be looked at
	RollBackFailed  OnFailure = "rollback"  // an update goes back to what last became ready; a create keeps, for there is nothing to go back to
	UninstallFailed OnFailure = "uninstall" // a create removes its release, but for volumes and in no adopted namespace; an update goes back
)

// EngineKind names an engine.
type EngineKind string

// The engines.
const (
	KindWooCommerce EngineKind = "woocommerce"
	KindMedusa      EngineKind = "medusa"
	KindChart       EngineKind = "chart"
)

// Engine is what a store runs: [WooCommerce], [Medusa] or [Chart].
type Engine interface {
	Kind() EngineKind
	// Components lists what runs in the long run, with the limits that count against the plan.
	Components() []Component
	// Jobs lists what runs for a while, with the limits of one pod that count against the plan's room for Jobs.
	Jobs() []Component
	validate() FieldErrors
	withDefaults() Engine
}

// Component is one workload of an engine.
type Component struct {
	Name     string
	Replicas int // 1 for a Job
	Surge    int // further pods that run while an update rolls out

	RequestCPU, LimitCPU       string // cores per pod
	RequestMemory, LimitMemory string // bytes per pod
}

// MaxNameLength bounds the name of a store.
const MaxNameLength = 50

// Namespace is the namespace of the store.
func (s Store) Namespace() string { return NamespaceOf(s.Name) }

// NamespaceOf is the namespace of the store of that name.
func NamespaceOf(store string) string { return "store-" + store }

// WithDefaults returns the store with its optional fields filled in.
func (s Store) WithDefaults() Store {
	if s.Plan == "" {
		s.Plan = Standard
	}
	if s.Egress == "" {
		s.Egress = EgressWeb
	}
	if s.Retention == "" {
		s.Retention = RetainData
	}
	if s.Storage.Content == "" {
		s.Storage.Content = "5Gi"
	}
	if s.Storage.Database == "" {
		s.Storage.Database = "5Gi"
	}
	if _, isChart := s.Engine.(Chart); !isChart {
		s.Backup = s.Backup.withDefaults()
	}
	s.Host = NormalHost(s.Host)
	if s.Engine != nil {
		s.Engine = s.Engine.withDefaults()
	}
	return s
}

// Validate reports every wrong field as [FieldErrors]. It looks at the specification alone, never at a cluster.
func (s Store) Validate() error {
	s = s.WithDefaults()
	var errs FieldErrors
	errs.storeName("name", s.Name)
	if msgs := validation.IsValidLabelValue(s.Owner); s.Owner == "" || len(msgs) > 0 {
		errs.add("owner", s.Owner, "must be 1 to 63 letters, digits, '-', '_' or '.', starting and ending with a letter or digit")
	}
	if s.Host != "" {
		errs.host("host", s.Host)
	}
	errs.ignores(s.Ignore)
	errs.oneOf("egress", string(s.Egress), string(EgressNone), string(EgressWeb))
	errs.oneOf("data_retention", string(s.Retention), string(RetainData), string(DeleteData))
	if s.OnFailure != "" {
		errs.oneOf("on_failure", string(s.OnFailure), string(KeepFailed), string(RollBackFailed), string(UninstallFailed))
	}
	if s.RollbackTo < 0 {
		errs.add("rollback_to", strconv.Itoa(s.RollbackTo), "must be a revision of the release, 1 or more")
	}
	errs.restoreFrom(s)
	if len(s.Rotation) > maxRotation {
		errs.add("rotation", s.Rotation, "must be at most %d characters", maxRotation)
	}
	if s.Engine == nil {
		errs.add("engine", "", "exactly one of woocommerce, medusa and chart must be set")
		return errs
	}
	errs.under(string(s.Engine.Kind()), s.Engine.validate())
	switch chart, ok := s.Engine.(Chart); {
	case !ok:
		errs.under("backup", s.Backup.validate())
	case s.Backup != (Backup{}) || s.RestoreFrom != "" || s.Rotation != "":
		errs.add("engine", string(KindChart), "has no backups and no passwords that storeplatform knows of: leave backup, restore_from and rotation out")
	case s.Host != "" && chart.Service == "":
		errs.add("chart.service", "", "must name the Service that answers for host %s", s.Host)
	}
	plan, err := s.Plan.Plan()
	if err != nil {
		errs.add("plan", string(s.Plan), "%v", err)
		return errs
	}
	errs.storage(s, plan)
	errs.fits(s.Engine, plan)
	return errs.err()
}

func (e *FieldErrors) storeName(path, name string) {
	if msgs := validation.IsDNS1123Label(name); len(msgs) > 0 || len(name) > MaxNameLength {
		e.add(path, name, "must be a DNS label of at most %d characters: lower case letters, digits and '-', starting and ending with a letter or digit", MaxNameLength)
	}
}

func (e *FieldErrors) oneOf(path, value string, allowed ...string) {
	for _, one := range allowed {
		if value == one {
			return
		}
	}
	e.add(path, value, "must be one of %s", strings.Join(allowed, ", "))
}

func (e *FieldErrors) email(path, value string) {
	if addr, err := mail.ParseAddress(value); err != nil || addr.Address != value {
		e.add(path, value, "must be an email address such as shop@example.com")
	}
}

func (e *FieldErrors) storage(s Store, plan Plan) {
	if s.Storage.Class != "" && len(validation.IsDNS1123Subdomain(s.Storage.Class)) > 0 {
		e.add("storage.class", s.Storage.Class, "must be the name of a StorageClass")
	}
	limit := resource.MustParse(plan.MaxVolume)
	var total resource.Quantity
	sizes := map[string]string{"storage.content": s.Storage.Content, "storage.database": s.Storage.Database}
	if s.Engine.Kind() != KindChart {
		sizes["backup.size"] = s.Backup.Size
	}
	for path, value := range sizes {
		q, err := ParseQuantity(value)
		switch {
		case err != nil:
			e.add(path, value, "%v", err)
		case q.Cmp(limit) > 0:
			e.add(path, value, "is above the largest volume that plan %q allows (%s)", plan.Name, plan.MaxVolume)
		default:
			total.Add(q)
		}
	}
	if s.Engine.Kind() != KindChart && total.Cmp(resource.MustParse(plan.Storage)) > 0 {
		e.add("storage", "", "content %s, database %s and backups %s are together above what plan %q allows (%s)", s.Storage.Content, s.Storage.Database, s.Backup.Size, plan.Name, plan.Storage)
	}
}

// fits checks that everything an engine runs, rolling updates included, has room in the plan.
func (e *FieldErrors) fits(engine Engine, plan Plan) {
	var cpu, memory resource.Quantity
	var pods int
	var sumCPU, sumMemory []string
	for _, c := range engine.Components() {
		count := c.Replicas + c.Surge
		pods += count
		oneCPU, oneMemory := resource.MustParse(c.LimitCPU), resource.MustParse(c.LimitMemory)
		for range count {
			cpu.Add(oneCPU)
			memory.Add(oneMemory)
		}
		sumCPU = append(sumCPU, fmt.Sprintf("%s %d x %s", c.Name, count, c.LimitCPU))
		sumMemory = append(sumMemory, fmt.Sprintf("%s %d x %s", c.Name, count, c.LimitMemory))
	}
	const during = "including the extra pods of a rolling update"
	kind := engine.Kind()
	if limit := resource.MustParse(plan.CPU); cpu.Cmp(limit) > 0 {
		e.add("plan", plan.Name, "allows %s CPU, but %s needs %s, %s (%s). Choose a larger plan", plan.CPU, kind, cpu.String(), during, strings.Join(sumCPU, " + "))
	}
	if limit := resource.MustParse(plan.Memory); memory.Cmp(limit) > 0 {
		e.add("plan", plan.Name, "allows %s of memory, but %s needs %s, %s (%s). Choose a larger plan", plan.Memory, kind, memory.String(), during, strings.Join(sumMemory, " + "))
	}
	if pods > plan.Pods {
		e.add("plan", plan.Name, "allows %d pods, but %s needs %d, %s. Choose a larger plan", plan.Pods, kind, pods, during)
	}
	e.fitsJobs(engine, plan)
}

// fitsJobs checks that every Job of an engine has room for itself: the quota refuses a pod above it for ever, while one that finds
// the room taken waits for the others to end.
func (e *FieldErrors) fitsJobs(engine Engine, plan Plan) {
	for _, room := range []struct {
		key, has, what string
		of             func(Component) string
	}{
		{"jobs.cpu", plan.Jobs.CPU, "CPU", func(c Component) string { return c.LimitCPU }},
		{"jobs.memory", plan.Jobs.Memory, "memory", func(c Component) string { return c.LimitMemory }},
	} {
		var name string
		var most resource.Quantity
		for _, job := range engine.Jobs() {
			if q := resource.MustParse(room.of(job)); q.Cmp(most) > 0 {
				name, most = job.Name, q
			}
		}
		if most.Cmp(resource.MustParse(room.has)) > 0 {
			e.add("plan", plan.Name, "allows Jobs %s of %s (%s), but the Job %q of %s needs %s. Choose a larger plan", room.has, room.what, room.key, name, engine.Kind(), most.String())
		}
	}
}
