package blueprint

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

// values returns the values of the chart. They hold no secret, because Helm keeps them in its release records: the pods read
// secrets from the Secrets of the blueprint, by name.
func (r renderer) values() map[string]any {
	switch engine := r.store.Engine.(type) {
	case spec.Chart:
		return engine.Values
	case spec.Medusa:
		return r.medusaValues(engine)
	case spec.WooCommerce:
		return r.wooCommerceValues(engine)
	default:
		return nil
	}
}

// Versions are the images and plugins of an embedded engine; nil for a chart of the user's own.
func (b *Blueprint) Versions() map[string]string {
	images, ok := b.Values["images"].(map[string]any)
	if !ok || b.Values["engine"] == nil {
		return nil
	}
	out := make(map[string]string, len(images)+1)
	for name, image := range images {
		out[name] = fmt.Sprint(image)
	}
	if shop, ok := b.Values["woocommerce"].(map[string]any); ok {
		out["woocommerce"] = fmt.Sprint(shop["version"])
	}
	return out
}

func (r renderer) wooCommerceValues(engine spec.WooCommerce) map[string]any {
	values := r.commonValues()
	library := engine.Registry + "/library/"
	maps.Copy(values, map[string]any{
		"images": map[string]any{
			"web":      library + "wordpress:" + engine.WordPress + "-php" + engine.PHP + "-apache",
			"cli":      library + "wordpress:cli-" + spec.WPCLIVersion + "-php" + engine.PHP,
			"database": library + "mariadb:" + spec.MariaDBVersion,
		},
		"woocommerce": map[string]any{
			"title":        engine.Title,
			"locale":       engine.Locale,
			"version":      engine.Version,
			"pluginURL":    strings.ReplaceAll(engine.PluginSource, "%s", engine.Version),
			"pluginSHA256": engine.PluginSHA256,
			"smtp":         engine.SMTP != nil,
		},
	})
	return values
}

func (r renderer) medusaValues(engine spec.Medusa) map[string]any {
	values := r.commonValues()
	images := map[string]any{
		"server":   engine.Image,
		"database": engine.Registry + "/library/postgres:" + spec.PostgresVersion,
	}
	if engine.Cache {
		images["cache"] = engine.Registry + "/valkey/valkey:" + spec.ValkeyVersion
	}
	origins := engine.CORS
	if r.store.Host != "" {
		origins = append([]string{r.url()}, origins...)
	}
	maps.Copy(values, map[string]any{
		"images": images,
		"medusa": map[string]any{
			"cors":          strings.Join(origins, ","),
			"worker":        engine.Worker,
			"cache":         engine.Cache,
			"postgresMajor": major(spec.PostgresVersion), // decides where the data lies
		},
	})
	return values
}

func (r renderer) commonValues() map[string]any {
	components := make(map[string]any)
	for _, c := range r.store.Engine.Components() {
		components[c.Name] = map[string]any{
			"replicas":  int64(c.Replicas),
			"surge":     int64(c.Surge),
			"resources": resources(c),
		}
	}
	jobs := make(map[string]any)
	for _, c := range r.store.Engine.Jobs() {
		jobs[c.Name] = resources(c)
	}
	labels := make(map[string]any)
	for key, value := range commonLabels(r.fleet, r.store) {
		labels[key] = value
	}
	return map[string]any{
		"engine":     string(r.store.Engine.Kind()),
		"labels":     labels,
		"url":        r.url(),
		"components": components,
		"jobs":       jobs,
		"rotation":   r.store.Rotation,
		"storage": map[string]any{
			"class":    r.store.Storage.Class,
			"content":  canonical(r.store.Storage.Content),
			"database": canonical(r.store.Storage.Database),
			"backups":  canonical(r.store.Backup.Size),
		},
		"backup": map[string]any{
			"schedule": r.store.Backup.Schedule,
			"keep":     int64(r.store.Backup.Keep),
		},
	}
}

// url is where the shop believes it lives; empty when the store has no host of its own.
func (r renderer) url() string {
	if r.store.Host == "" {
		return ""
	}
	return "https://" + r.store.Host
}

func resources(c spec.Component) map[string]any {
	return map[string]any{
		"requests": map[string]any{"cpu": canonical(c.RequestCPU), "memory": canonical(c.RequestMemory)},
		"limits":   map[string]any{"cpu": canonical(c.LimitCPU), "memory": canonical(c.LimitMemory)},
	}
}

// canonical spells a quantity as the API server stores it, so that "1000m" and "1" are no difference.
func canonical(s string) string {
	q := quantity(s)
	return q.String()
}

// major is the first number of a version of the catalogue.
func major(version string) int64 {
	first, _, _ := strings.Cut(version, ".")
	n, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		panic("blueprint: version " + version + " of the catalogue has no major") // a constant
	}
	return n
}
