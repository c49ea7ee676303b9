package spec

import (
	"slices"
	"strings"
)

// WooCommerce runs WordPress with the WooCommerce plugin on MariaDB.
type WooCommerce struct {
	Title             string `json:"title"`             // name of the shop
	AdminEmail        string `json:"admin_email"`       // address of the administrator
	AdminUser         string `json:"admin_user"`        // default "admin"
	AdminPassword     Secret `json:"-"`                 // default generated; in the Secret "admin" of the store's namespace either way
	KeepAdminPassword bool   `json:"-"`                 // AdminPassword was given before and stays as it was; rotation leaves it alone, too
	Locale            string `json:"locale"`            // WordPress locale, default "en_US"
	Version           string `json:"version"`           // WooCommerce, default [WooCommerceVersion]
	WordPress         string `json:"wordpress_version"` // default [WordPressVersion]
	PHP               string `json:"php_version"`       // default [PHPVersion]
	PluginSource      string `json:"plugin_source"`     // https URL of the plugin archive, with "%s" for the version, default wordpress.org
	PluginSHA256      string `json:"plugin_sha256"`     // of the archive, hexadecimal; empty = not checked
	Registry          string `json:"registry"`          // registry that serves the images instead of docker.io
	SMTP              *SMTP  `json:"smtp,omitempty"`    // how the shop sends mail; nil = it sends none
}

// SMTP is an outgoing mail relay.
type SMTP struct {
	Host     string `json:"host"`
	Port     int    `json:"port"` // default 587
	User     string `json:"user"`
	Password Secret `json:"-"`
	From     string `json:"from"` // sender address
}

// Kind implements [Engine].
func (WooCommerce) Kind() EngineKind { return KindWooCommerce }

// Components implements [Engine].
func (WooCommerce) Components() []Component {
	return []Component{
		{Name: "web", Replicas: 1, Surge: 1, RequestCPU: "100m", LimitCPU: "500m", RequestMemory: "256Mi", LimitMemory: "512Mi"},
		{Name: "database", Replicas: 1, RequestCPU: "100m", LimitCPU: "500m", RequestMemory: "256Mi", LimitMemory: "512Mi"},
	}
}

// Jobs implements [Engine].
func (WooCommerce) Jobs() []Component {
	return []Component{
		{Name: "install", Replicas: 1, RequestCPU: "100m", LimitCPU: "500m", RequestMemory: "256Mi", LimitMemory: "512Mi"},
		{Name: "cron", Replicas: 1, RequestCPU: "50m", LimitCPU: "250m", RequestMemory: "128Mi", LimitMemory: "320Mi"},
		backupJob,
	}
}

func (w WooCommerce) withDefaults() Engine {
	setDefault(&w.AdminUser, "admin")
	setDefault(&w.Locale, "en_US")
	setDefault(&w.Version, WooCommerceVersion)
	setDefault(&w.WordPress, WordPressVersion)
	setDefault(&w.PHP, PHPVersion)
	setDefault(&w.PluginSource, "https://downloads.wordpress.org/plugin/woocommerce.%s.zip")
	setDefault(&w.Registry, DefaultRegistry)
	if w.SMTP != nil {
		smtp := *w.SMTP
		if smtp.Port == 0 {
			smtp.Port = 587
		}
		w.SMTP = &smtp
	}
	return w
}

func (w WooCommerce) validate() FieldErrors {
	var errs FieldErrors
	if w.Title == "" || len(w.Title) > 200 {
		errs.add("title", w.Title, "must be 1 to 200 characters")
	}
	errs.email("admin_email", w.AdminEmail)
	errs.pattern("admin_user", w.AdminUser, adminUserForm, "must be 1 to 60 lower case letters, digits, '.', '_' or '-'")
	errs.pattern("locale", w.Locale, localeForm, "must be a WordPress locale such as en_US or de_DE")
	errs.pattern("version", w.Version, versionForm, "must be an exact version such as "+WooCommerceVersion)
	errs.pattern("wordpress_version", w.WordPress, wordPressForm, "must be an exact version such as "+WordPressVersion)
	errs.pattern("plugin_source", w.PluginSource, urlForm, "must be an http or https URL")
	errs.pattern("registry", w.Registry, registryForm, "must be the address of a registry such as registry.example.com/mirror")
	if w.PluginSHA256 != "" {
		errs.pattern("plugin_sha256", w.PluginSHA256, sha256Form, "must be 64 hexadecimal digits")
	}
	if !compatible(w.Version, w.WordPress) {
		errs.add("wordpress_version", w.WordPress, "is too old for WooCommerce %s, which needs WordPress %s or newer", w.Version, minWordPress(w.Version))
	}
	if supported := phpVersions(w.WordPress); !slices.Contains(supported, w.PHP) {
		errs.add("php_version", w.PHP, "must be one of %s for WordPress %s", strings.Join(supported, ", "), w.WordPress)
	}
	if w.SMTP != nil {
		if w.SMTP.Host == "" {
			errs.add("smtp.host", "", "must be the name of a mail relay")
		}
		if w.SMTP.Port < 1 || w.SMTP.Port > 65535 {
			errs.add("smtp.port", "", "must be a port between 1 and 65535")
		}
		errs.email("smtp.from", w.SMTP.From)
	}
	return errs
}

func setDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}
