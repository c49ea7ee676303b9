package spec

// Medusa runs Medusa v2 (server and worker) on PostgreSQL.
type Medusa struct {
	Image             string   `json:"image"`       // the shop's image, with the built server in /app: Medusa has no official one. Tag and digest, or an exact tag
	AdminEmail        string   `json:"admin_email"` // first administrator
	AdminPassword     Secret   `json:"-"`           // default generated; in the Secret "admin" of the store's namespace either way
	KeepAdminPassword bool     `json:"-"`           // AdminPassword was given before and stays as it was; rotation leaves it alone, too
	Cache             bool     `json:"cache"`       // run a Redis-compatible cache: sessions and events survive a restart
	Worker            bool     `json:"worker"`      // run background jobs in a pod of their own; false = in the server
	CORS              []string `json:"cors"`        // origins of storefronts, such as https://shop.example.com; the store's own hosts are added
	Registry          string   `json:"registry"`    // registry that serves the database and cache images instead of docker.io
}

// Kind implements [Engine].
func (Medusa) Kind() EngineKind { return KindMedusa }

// Components implements [Engine].
func (m Medusa) Components() []Component {
	all := []Component{
		{Name: "server", Replicas: 1, Surge: 1, RequestCPU: "100m", LimitCPU: "400m", RequestMemory: "512Mi", LimitMemory: "1Gi"},
		{Name: "database", Replicas: 1, RequestCPU: "100m", LimitCPU: "400m", RequestMemory: "256Mi", LimitMemory: "512Mi"},
	}
	if m.Worker {
		all = append(all, Component{Name: "worker", Replicas: 1, RequestCPU: "100m", LimitCPU: "400m", RequestMemory: "512Mi", LimitMemory: "1Gi"})
	}
	if m.Cache {
		all = append(all, Component{Name: "cache", Replicas: 1, RequestCPU: "50m", LimitCPU: "100m", RequestMemory: "64Mi", LimitMemory: "128Mi"})
	}
	return all
}

// Jobs implements [Engine].
func (Medusa) Jobs() []Component {
	return []Component{
		{Name: "migrate", Replicas: 1, RequestCPU: "100m", LimitCPU: "500m", RequestMemory: "512Mi", LimitMemory: "768Mi"},
		backupJob,
	}
}

func (m Medusa) withDefaults() Engine {
	setDefault(&m.Registry, DefaultRegistry)
	return m
}

func (m Medusa) validate() FieldErrors {
	var errs FieldErrors
	errs.image("image", m.Image)
	errs.email("admin_email", m.AdminEmail)
	for _, origin := range m.CORS {
		errs.pattern("cors", origin, originForm, "must be an origin such as https://shop.example.com, without a path")
	}
	errs.pattern("registry", m.Registry, registryForm, "must be the address of a registry such as registry.example.com/mirror")
	return errs
}
