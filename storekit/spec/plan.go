package spec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Names of the built-in plans, the starting values of every other one.
const (
	Basic    = "basic"
	Standard = "standard"
	Premium  = "premium"
)

// Plan is the size of a store: what it may use in total, what a container gets when it asks for nothing, and the separate
// room of its Jobs. Quantities are Kubernetes quantities ("500m", "4Gi"); they compare by value, so "1000m" is "1".
type Plan struct {
	Name    string // a DNS label
	Preset  string // built-in plan that gives what is left empty; default: the one of the same name, else [Standard]
	CPU     string // CPU of all long-running pods, in cores
	Memory  string // memory of all long-running pods, in bytes
	Pods    int    // number of long-running pods
	Storage string // volume requests of the store, in bytes

	Jobs      JobRoom           // separate from the above: the shop can never block a backup
	Container ContainerDefaults // for containers that state nothing
	MaxVolume string            // largest single volume claim, in bytes
}

// JobRoom is what pods with a deadline (Jobs and CronJobs) may use beside the shop.
type JobRoom struct {
	CPU    string // cores
	Memory string // bytes
	Pods   int
}

// ContainerDefaults are the requests and limits of a container that states none.
type ContainerDefaults struct {
	RequestCPU    string // cores
	RequestMemory string // bytes
	LimitCPU      string // cores
	LimitMemory   string // bytes
}

// Preset returns a built-in plan by name.
func Preset(name string) (Plan, bool) {
	p := Plan{
		Name:      name,
		CPU:       "2",
		Memory:    "4Gi",
		Pods:      10,
		Storage:   "50Gi",
		Jobs:      JobRoom{CPU: "1", Memory: "1Gi", Pods: 5},
		Container: ContainerDefaults{RequestCPU: "100m", RequestMemory: "128Mi", LimitCPU: "500m", LimitMemory: "512Mi"},
		MaxVolume: "50Gi",
	}
	switch name {
	case Basic:
		// 100m beside a rolling WooCommerce, for the pod that answers a certificate challenge.
		p.CPU, p.Memory, p.Pods, p.Storage, p.MaxVolume = "1600m", "2Gi", 8, "20Gi", "20Gi"
	case Standard:
	case Premium:
		p.CPU, p.Memory, p.Pods, p.Storage = "4", "8Gi", 20, "200Gi"
		p.Jobs = JobRoom{CPU: "2", Memory: "2Gi", Pods: 10}
	default:
		return Plan{}, false
	}
	return p, true
}

// PresetNames lists the built-in plans, smallest first.
func PresetNames() []string { return []string{Basic, Standard, Premium} }

// WithDefaults fills empty fields from the plan's preset. One that does not exist gives nothing.
func (p Plan) WithDefaults() Plan {
	if p.Preset == "" {
		p.Preset = Standard
		if slices.Contains(PresetNames(), p.Name) {
			p.Preset = p.Name
		}
	}
	base, _ := Preset(p.Preset)
	return p.WithBase(base)
}

// WithBase fills empty fields from base, except the name and the preset.
func (p Plan) WithBase(base Plan) Plan {
	values := base.quantities()
	for name, field := range p.quantityFields() {
		if *field == "" {
			*field = values[name]
		}
	}
	if p.Pods == 0 {
		p.Pods = base.Pods
	}
	if p.Jobs.Pods == 0 {
		p.Jobs.Pods = base.Jobs.Pods
	}
	return p
}

// Validate reports every wrong field as [FieldErrors].
func (p Plan) Validate() error {
	var errs FieldErrors
	if msgs := validation.IsDNS1123Label(p.Name); len(msgs) > 0 {
		errs.add("name", p.Name, "must be a DNS label: lower case letters, digits and '-', at most 63 characters, starting and ending with a letter or digit")
	}
	if p.Preset != "" {
		errs.oneOf("preset", p.Preset, PresetNames()...)
	}
	fields := p.quantityFields()
	parsed := make(map[string]resource.Quantity, len(fields))
	for _, name := range planKeys() {
		field, ok := fields[name]
		if !ok {
			continue
		}
		q, err := ParseQuantity(*field)
		if err != nil {
			errs.add(name, *field, "%v", err)
			continue
		}
		parsed[name] = q
	}
	if p.Pods < 1 {
		errs.add("pods", strconv.Itoa(p.Pods), "must be at least 1")
	}
	if p.Jobs.Pods < 1 {
		errs.add("jobs.pods", strconv.Itoa(p.Jobs.Pods), "must be at least 1")
	}
	for _, pair := range [][2]string{
		{"container.request_cpu", "container.limit_cpu"},
		{"container.request_memory", "container.limit_memory"},
		{"container.limit_cpu", "cpu"},
		{"container.limit_memory", "memory"},
		{"max_volume", "storage"},
	} {
		small, okSmall := parsed[pair[0]]
		large, okLarge := parsed[pair[1]]
		if okSmall && okLarge && small.Cmp(large) > 0 {
			errs.add(pair[0], small.String(), "must not be above %s (%s)", pair[1], large.String())
		}
	}
	return errs.err()
}

// ParseQuantity parses a positive Kubernetes quantity.
func ParseQuantity(s string) (resource.Quantity, error) {
	q, err := resource.ParseQuantity(s)
	if err != nil {
		return q, fmt.Errorf("must be a Kubernetes quantity such as 500m, 2, 512Mi or 4Gi")
	}
	if q.Sign() <= 0 {
		return q, fmt.Errorf("must be above zero")
	}
	return q, nil
}

// PlanRef names a plan together with its content, so that a store that refers to it is rendered without asking anybody, and
// changes in the same apply as the plan. It is the name of a preset ("standard") or what [Plan.Ref] returns
// ("gold@cpu=3,memory=6Gi,…").
type PlanRef string

// planKeys is the order of a reference, and the names of a plan's fields in messages.
func planKeys() []string {
	return []string{
		"cpu", "memory", "pods", "storage", "jobs.cpu", "jobs.memory", "jobs.pods", "container.request_cpu",
		"container.request_memory", "container.limit_cpu", "container.limit_memory", "max_volume",
	}
}

// Ref returns the reference of the plan with its defaults filled in. Equal plans have equal references, however their
// quantities are spelt.
func (p Plan) Ref() PlanRef {
	p = p.WithDefaults()
	return p.ref(p.quantities())
}

// SpeltRef is [Plan.Ref] with every quantity in the spelling of the plan.
func (p Plan) SpeltRef() PlanRef {
	p = p.WithDefaults()
	values := make(map[string]string)
	for name, field := range p.quantityFields() {
		values[name] = *field
	}
	return p.ref(values)
}

func (p Plan) ref(values map[string]string) PlanRef {
	values["pods"], values["jobs.pods"] = strconv.Itoa(p.Pods), strconv.Itoa(p.Jobs.Pods)
	parts := make([]string, 0, len(values))
	for _, key := range planKeys() {
		parts = append(parts, key+"="+values[key])
	}
	return PlanRef(p.Name + "@" + strings.Join(parts, ","))
}

// Name returns the plan's name.
func (r PlanRef) Name() string {
	name, _, _ := strings.Cut(string(r), "@")
	return name
}

// Plan returns the plan that the reference names.
func (r PlanRef) Plan() (Plan, error) {
	name, content, full := strings.Cut(string(r), "@")
	if !full {
		p, ok := Preset(name)
		if !ok {
			return Plan{}, fmt.Errorf("must be a preset (%s) or the reference of a plan (storeplatform_plan.NAME.ref in Terraform, Plan.Ref in Go)",
				strings.Join(PresetNames(), ", "))
		}
		return p, nil
	}
	p := Plan{Name: name}
	fields := p.quantityFields()
	for part := range strings.SplitSeq(content, ",") {
		key, value, _ := strings.Cut(part, "=")
		count, err := strconv.Atoi(value)
		switch field, ok := fields[key]; {
		case ok:
			*field = value
		case key == "pods" && err == nil:
			p.Pods = count
		case key == "jobs.pods" && err == nil:
			p.Jobs.Pods = count
		default:
			return Plan{}, fmt.Errorf("is not the reference of a plan: unknown part %q", part)
		}
	}
	if err := p.Validate(); err != nil {
		return Plan{}, fmt.Errorf("is not the reference of a plan: %w", err)
	}
	return p, nil
}

func (p *Plan) quantityFields() map[string]*string {
	return map[string]*string{
		"cpu":                      &p.CPU,
		"memory":                   &p.Memory,
		"storage":                  &p.Storage,
		"jobs.cpu":                 &p.Jobs.CPU,
		"jobs.memory":              &p.Jobs.Memory,
		"container.request_cpu":    &p.Container.RequestCPU,
		"container.request_memory": &p.Container.RequestMemory,
		"container.limit_cpu":      &p.Container.LimitCPU,
		"container.limit_memory":   &p.Container.LimitMemory,
		"max_volume":               &p.MaxVolume,
	}
}

// quantities returns the canonical spelling of every quantity; what does not parse stays as it is.
func (p Plan) quantities() map[string]string {
	out := make(map[string]string)
	for name, field := range p.quantityFields() {
		out[name] = *field
		if q, err := resource.ParseQuantity(*field); err == nil {
			out[name] = q.String()
		}
	}
	return out
}
