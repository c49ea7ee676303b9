package provider

import (
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit"
	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

type storeModel struct {
	Name               types.String   `tfsdk:"name"`
	Owner              types.String   `tfsdk:"owner"`
	Plan               planRefValue   `tfsdk:"plan"`
	Host               hostValue      `tfsdk:"host"`
	Storage            types.Object   `tfsdk:"storage"`
	Egress             types.String   `tfsdk:"egress"`
	Backup             types.Object   `tfsdk:"backup"`
	RestoreFrom        types.String   `tfsdk:"restore_from"`
	Rotation           types.String   `tfsdk:"rotation"`
	DeletionProtection types.Bool     `tfsdk:"deletion_protection"`
	DataRetention      types.String   `tfsdk:"data_retention"`
	OnFailure          types.String   `tfsdk:"on_failure"`
	RollbackTo         types.Int64    `tfsdk:"rollback_to"`
	AdoptExisting      types.Bool     `tfsdk:"adopt_existing"`
	IgnoreDrift        types.List     `tfsdk:"ignore_drift"`
	WooCommerce        types.Object   `tfsdk:"woocommerce"`
	Medusa             types.Object   `tfsdk:"medusa"`
	Chart              types.Object   `tfsdk:"chart"`
	Timeouts           timeouts.Value `tfsdk:"timeouts"`

	ID         types.String `tfsdk:"id"`
	Namespace  types.String `tfsdk:"namespace"`
	URL        types.String `tfsdk:"url"`
	Ready      types.Bool   `tfsdk:"ready"`
	Release    types.Object `tfsdk:"release"`
	Backups    types.List   `tfsdk:"backups"`
	Quota      types.Map    `tfsdk:"quota"`
	Objects    types.Map    `tfsdk:"objects"`
	ClusterUID types.String `tfsdk:"cluster_uid"`
}

type storageModel struct {
	Class    types.String  `tfsdk:"class"`
	Content  quantityValue `tfsdk:"content"`
	Database quantityValue `tfsdk:"database"`
}

type wooCommerceModel struct {
	Title                  types.String `tfsdk:"title"`
	AdminEmail             types.String `tfsdk:"admin_email"`
	AdminUser              types.String `tfsdk:"admin_user"`
	AdminPasswordWO        types.String `tfsdk:"admin_password_wo"`
	AdminPasswordWOVersion types.Int64  `tfsdk:"admin_password_wo_version"`
	Locale                 types.String `tfsdk:"locale"`
	Version                types.String `tfsdk:"version"`
	WordPressVersion       types.String `tfsdk:"wordpress_version"`
	PHPVersion             types.String `tfsdk:"php_version"`
	PluginSource           types.String `tfsdk:"plugin_source"`
	PluginSHA256           types.String `tfsdk:"plugin_sha256"`
	Registry               types.String `tfsdk:"registry"`
	SMTP                   types.Object `tfsdk:"smtp"`
}

type smtpModel struct {
	Host              types.String `tfsdk:"host"`
	Port              types.Int64  `tfsdk:"port"`
	User              types.String `tfsdk:"user"`
	PasswordWO        types.String `tfsdk:"password_wo"`
	PasswordWOVersion types.Int64  `tfsdk:"password_wo_version"`
	From              types.String `tfsdk:"from"`
}

type medusaModel struct {
	Image                  types.String `tfsdk:"image"`
	AdminEmail             types.String `tfsdk:"admin_email"`
	AdminPasswordWO        types.String `tfsdk:"admin_password_wo"`
	AdminPasswordWOVersion types.Int64  `tfsdk:"admin_password_wo_version"`
	Cache                  types.Bool   `tfsdk:"cache"`
	Worker                 types.Bool   `tfsdk:"worker"`
	CORS                   types.List   `tfsdk:"cors"`
	Registry               types.String `tfsdk:"registry"`
}

type chartModel struct {
	Source     types.String  `tfsdk:"source"`
	Version    types.String  `tfsdk:"version"`
	Values     documentValue `tfsdk:"values"`
	Service    types.String  `tfsdk:"service"`
	Port       types.Int64   `tfsdk:"port"`
	Target     types.Int64   `tfsdk:"target"`
	Username   types.String  `tfsdk:"username"`
	PasswordWO types.String  `tfsdk:"password_wo"`
}

type releaseModel struct {
	Revision     types.Int64  `tfsdk:"revision"`
	Status       types.String `tfsdk:"status"`
	Chart        types.String `tfsdk:"chart"`
	ChartVersion types.String `tfsdk:"chart_version"`
	AppVersion   types.String `tfsdk:"app_version"`
	History      types.List   `tfsdk:"history"`
}

type revisionModel struct {
	Revision     types.Int64  `tfsdk:"revision"`
	Status       types.String `tfsdk:"status"`
	ChartVersion types.String `tfsdk:"chart_version"`
	AppVersion   types.String `tfsdk:"app_version"`
	Created      types.String `tfsdk:"created"`
}

// Types of the nested attributes, as the schema has them; a test compares the two.
var (
	storageTypes = map[string]attr.Type{"class": types.StringType, "content": quantityType{}, "database": quantityType{}}
	smtpTypes    = map[string]attr.Type{
		"host": types.StringType, "port": types.Int64Type, "user": types.StringType, "password_wo": types.StringType,
		"password_wo_version": types.Int64Type, "from": types.StringType,
	}
	wooCommerceTypes = map[string]attr.Type{
		"title": types.StringType, "admin_email": types.StringType, "admin_user": types.StringType, "admin_password_wo": types.StringType,
		"admin_password_wo_version": types.Int64Type, "locale": types.StringType, "version": types.StringType,
		"wordpress_version": types.StringType, "php_version": types.StringType, "plugin_source": types.StringType, "plugin_sha256": types.StringType,
		"registry": types.StringType, "smtp": types.ObjectType{AttrTypes: smtpTypes},
	}
	medusaTypes = map[string]attr.Type{
		"image": types.StringType, "admin_email": types.StringType, "admin_password_wo": types.StringType,
		"admin_password_wo_version": types.Int64Type, "cache": types.BoolType, "worker": types.BoolType,
		"cors": types.ListType{ElemType: types.StringType}, "registry": types.StringType,
	}
	chartTypes = map[string]attr.Type{
		"source": types.StringType, "version": types.StringType, "values": documentType{}, "service": types.StringType,
		"port": types.Int64Type, "target": types.Int64Type, "username": types.StringType, "password_wo": types.StringType,
	}
	releaseTypes = map[string]attr.Type{
		"revision": types.Int64Type, "status": types.StringType, "chart": types.StringType, "chart_version": types.StringType,
		"app_version": types.StringType, "history": types.ListType{ElemType: types.ObjectType{AttrTypes: revisionTypes}},
	}
	revisionTypes = map[string]attr.Type{
		"revision": types.Int64Type, "status": types.StringType, "chart_version": types.StringType, "app_version": types.StringType,
		"created": types.StringType,
	}
)

func wooCommerceDefaults() spec.WooCommerce {
	engine, _ := spec.Store{Engine: spec.WooCommerce{}}.WithDefaults().Engine.(spec.WooCommerce)
	return engine
}

func medusaDefaults() spec.Medusa {
	engine, _ := spec.Store{Engine: spec.Medusa{}}.WithDefaults().Engine.(spec.Medusa)
	return engine
}

// engineKind is the engine that the model names; empty when it names none, or one that is not known to be there.
func (m storeModel) engineKind() spec.EngineKind {
	switch {
	case !m.WooCommerce.IsNull():
		return spec.KindWooCommerce
	case !m.Medusa.IsNull():
		return spec.KindMedusa
	case !m.Chart.IsNull():
		return spec.KindChart
	default:
		return ""
	}
}

// spec makes the specification of the store. Secrets are in it only if m was decoded from a configuration. Unknown values are
// left empty: see [storeModel.unknownInputs].
func (m storeModel) spec(diags *diag.Diagnostics) spec.Store {
	s := spec.Store{
		Name:          m.Name.ValueString(),
		Owner:         m.Owner.ValueString(),
		Plan:          spec.PlanRef(m.Plan.ValueString()),
		Host:          m.Host.ValueString(),
		Egress:        spec.Egress(m.Egress.ValueString()),
		RestoreFrom:   m.RestoreFrom.ValueString(),
		Rotation:      m.Rotation.ValueString(),
		AllowDeletion: !m.DeletionProtection.ValueBool() && !m.DeletionProtection.IsNull(),
		Retention:     spec.DataRetention(m.DataRetention.ValueString()),
		OnFailure:     spec.OnFailure(m.OnFailure.ValueString()),
		RollbackTo:    int(m.RollbackTo.ValueInt64()),
		Adopt:         m.AdoptExisting.ValueBool(),
		Ignore:        stringsOf(m.IgnoreDrift),
	}
	if storage := decodeObject[storageModel](m.Storage); storage != nil {
		s.Storage = spec.Storage{Class: storage.Class.ValueString(), Content: storage.Content.ValueString(), Database: storage.Database.ValueString()}
	}
	if backup := decodeObject[backupModel](m.Backup); backup != nil {
		s.Backup = spec.Backup{Schedule: backup.Schedule.ValueString(), Keep: int(backup.Keep.ValueInt64()), Size: backup.Size.ValueString()}
	}
	switch m.engineKind() {
	case spec.KindWooCommerce:
		s.Engine = m.wooCommerce()
	case spec.KindMedusa:
		s.Engine = m.medusa()
	case spec.KindChart:
		s.Engine = m.chart(diags)
	}
	return s
}

func (m storeModel) wooCommerce() spec.WooCommerce {
	set := decodeObject[wooCommerceModel](m.WooCommerce)
	if set == nil {
		return spec.WooCommerce{}
	}
	engine := spec.WooCommerce{
		Title:         set.Title.ValueString(),
		AdminEmail:    set.AdminEmail.ValueString(),
		AdminUser:     set.AdminUser.ValueString(),
		AdminPassword: spec.Secret(set.AdminPasswordWO.ValueString()),
		Locale:        set.Locale.ValueString(),
		Version:       set.Version.ValueString(),
		WordPress:     set.WordPressVersion.ValueString(),
		PHP:           set.PHPVersion.ValueString(),
		PluginSource:  set.PluginSource.ValueString(),
		PluginSHA256:  set.PluginSHA256.ValueString(),
		Registry:      set.Registry.ValueString(),
	}
	if smtp := decodeObject[smtpModel](set.SMTP); smtp != nil {
		engine.SMTP = &spec.SMTP{
			Host:     smtp.Host.ValueString(),
			Port:     int(smtp.Port.ValueInt64()),
			User:     smtp.User.ValueString(),
			Password: spec.Secret(smtp.PasswordWO.ValueString()),
			From:     smtp.From.ValueString(),
		}
	}
	return engine
}

func (m storeModel) medusa() spec.Medusa {
	set := decodeObject[medusaModel](m.Medusa)
	if set == nil {
		return spec.Medusa{}
	}
	return spec.Medusa{
		Image:         set.Image.ValueString(),
		AdminEmail:    set.AdminEmail.ValueString(),
		AdminPassword: spec.Secret(set.AdminPasswordWO.ValueString()),
		Cache:         set.Cache.ValueBool(),
		Worker:        set.Worker.ValueBool(),
		CORS:          stringsOf(set.CORS),
		Registry:      set.Registry.ValueString(),
	}
}

func (m storeModel) chart(diags *diag.Diagnostics) spec.Chart {
	set := decodeObject[chartModel](m.Chart)
	if set == nil {
		return spec.Chart{}
	}
	engine := spec.Chart{
		Source:   set.Source.ValueString(),
		Version:  set.Version.ValueString(),
		Service:  set.Service.ValueString(),
		Port:     int(set.Port.ValueInt64()),
		Target:   int(set.Target.ValueInt64()),
		Username: set.Username.ValueString(),
		Password: spec.Secret(set.PasswordWO.ValueString()),
	}
	if text := set.Values.ValueString(); text != "" {
		values, err := parseDocument(text)
		if err != nil {
			invalid(attributePath("chart.values"), "", err.Error(), diags)
		}
		engine.Values = values
	}
	return engine
}

// withSecrets gives s the write-only values of a configuration: a plan and a state never have them.
func withSecrets(s spec.Store, config storeModel, diags *diag.Diagnostics) spec.Store {
	given := config.spec(diags)
	switch engine := s.Engine.(type) {
	case spec.WooCommerce:
		from, _ := given.Engine.(spec.WooCommerce)
		engine.AdminPassword = from.AdminPassword
		if engine.SMTP != nil && from.SMTP != nil {
			engine.SMTP.Password = from.SMTP.Password
		}
		s.Engine = engine
	case spec.Medusa:
		from, _ := given.Engine.(spec.Medusa)
		engine.AdminPassword = from.AdminPassword
		s.Engine = engine
	case spec.Chart:
		from, _ := given.Engine.(spec.Chart)
		engine.Password = from.Password
		s.Engine = engine
	}
	return s
}

// withoutPinned takes from s the write-only values that are pinned in state. Without a state, every value is new.
func withoutPinned(s spec.Store, config storeModel, state *storeModel) spec.Store {
	switch engine := s.Engine.(type) {
	case spec.WooCommerce:
		now := decodeObject[wooCommerceModel](config.WooCommerce)
		if now == nil {
			return s
		}
		if state.pins("admin", now.AdminPasswordWOVersion) {
			engine.AdminPassword, engine.KeepAdminPassword = "", !now.AdminPasswordWO.IsNull()
		}
		relay := decodeObject[smtpModel](now.SMTP)
		if engine.SMTP != nil && relay != nil && state.pins("smtp", relay.PasswordWOVersion) {
			engine.SMTP.Password = ""
		}
		s.Engine = engine
	case spec.Medusa:
		if now := decodeObject[medusaModel](config.Medusa); now != nil && state.pins("admin", now.AdminPasswordWOVersion) {
			engine.AdminPassword, engine.KeepAdminPassword = "", !now.AdminPasswordWO.IsNull()
		}
		s.Engine = engine
	}
	return s
}

// pins tells whether the write-only value in a Secret stays as it is: its version is set in the configuration and is the state's. The
// version alone decides, so that a value which is another one in every run changes nothing. A value whose Secret is not as it was left
// is sent all the same.
func (m *storeModel) pins(secret string, version types.Int64) bool {
	if m == nil || version.IsNull() || version.IsUnknown() {
		return false
	}
	var before types.Int64
	if shop := decodeObject[wooCommerceModel](m.WooCommerce); shop != nil {
		before = shop.AdminPasswordWOVersion
		if secret == "smtp" {
			relay := decodeObject[smtpModel](shop.SMTP)
			if relay == nil {
				return false
			}
			before = relay.PasswordWOVersion
		}
	} else if shop := decodeObject[medusaModel](m.Medusa); shop != nil {
		before = shop.AdminPasswordWOVersion
	}
	_, asLeft := storekit.DesiredDigest(textOf(m.Objects.Elements()["Secret/"+secret]))
	return asLeft && version.Equal(before)
}

// unknownSecrets tells of a configuration whether a write-only value is not known yet that an apply sends.
func (m storeModel) unknownSecrets(state *storeModel) bool {
	if shop := decodeObject[wooCommerceModel](m.WooCommerce); shop != nil {
		relay := decodeObject[smtpModel](shop.SMTP)
		return shop.AdminPasswordWO.IsUnknown() && !state.pins("admin", shop.AdminPasswordWOVersion) ||
			relay != nil && relay.PasswordWO.IsUnknown() && !state.pins("smtp", relay.PasswordWOVersion)
	}
	if shop := decodeObject[medusaModel](m.Medusa); shop != nil {
		return shop.AdminPasswordWO.IsUnknown() && !state.pins("admin", shop.AdminPasswordWOVersion)
	}
	own := decodeObject[chartModel](m.Chart)
	return own != nil && own.PasswordWO.IsUnknown()
}

// storeModelFrom makes the model of what the cluster has. What the cluster does not know (timeouts, versions of write-only
// values) comes from prior, which may be the zero model.
func storeModelFrom(st *storekit.State, prior storeModel, diags *diag.Diagnostics) storeModel {
	s := st.Spec.WithDefaults()
	m := storeModel{
		Name:               types.StringValue(s.Name),
		Owner:              types.StringValue(s.Owner),
		Plan:               spell[planRef](string(s.Plan)),
		Host:               spell[host](s.Host),
		Egress:             types.StringValue(string(s.Egress)),
		Backup:             backupFrom(s.Backup),
		RestoreFrom:        optionalString(s.RestoreFrom),
		Rotation:           optionalString(s.Rotation),
		DeletionProtection: types.BoolValue(!s.AllowDeletion),
		DataRetention:      types.StringValue(string(s.Retention)),
		OnFailure:          optionalString(string(s.OnFailure)),
		RollbackTo:         optionalInt(s.RollbackTo),
		AdoptExisting:      types.BoolValue(s.Adopt),
		IgnoreDrift:        listOf(s.Ignore),
		WooCommerce:        types.ObjectNull(wooCommerceTypes),
		Medusa:             types.ObjectNull(medusaTypes),
		Chart:              types.ObjectNull(chartTypes),
		Timeouts:           prior.Timeouts,
		ID:                 types.StringValue(s.Name),
		Namespace:          types.StringValue(spec.NamespaceOf(s.Name)),
		URL:                optionalString(st.URL),
		Ready:              types.BoolValue(st.Ready),
		Backups:            backupCopiesFrom(st.Backups),
		Objects:            stringMap(st.Objects),
		ClusterUID:         types.StringValue(st.ClusterUID),
	}
	m.Storage = encodeObject(storageTypes, &storageModel{
		Class:    optionalString(s.Storage.Class),
		Content:  spell[quantity](s.Storage.Content),
		Database: spell[quantity](s.Storage.Database),
	})
	switch engine := s.Engine.(type) {
	case spec.WooCommerce:
		m.WooCommerce = wooCommerceFrom(engine, prior)
	case spec.Medusa:
		m.Medusa = medusaFrom(engine, prior)
	case spec.Chart:
		m.Chart = chartFrom(engine, diags)
	}
	release := releaseFrom(st.Release)
	m.Release = encodeObject(releaseTypes, &release)
	hard := make(map[string]string, len(st.Quota))
	for name, usage := range st.Quota {
		hard[name] = usage.Hard
	}
	m.Quota = quotaFrom(hard)
	return m
}

func releaseFrom(r storekit.Release) releaseModel {
	history := make([]attr.Value, 0, len(r.History))
	for _, one := range r.History {
		history = append(history, encodeObject(revisionTypes, &revisionModel{
			Revision:     types.Int64Value(int64(one.Number)),
			Status:       types.StringValue(one.Status),
			ChartVersion: optionalString(one.ChartVersion),
			AppVersion:   optionalString(one.AppVersion),
			Created:      types.StringValue(one.Created.UTC().Format(time.RFC3339)),
		}))
	}
	return releaseModel{
		Revision:     types.Int64Value(int64(r.Revision)),
		Status:       optionalString(r.Status),
		Chart:        optionalString(r.Chart),
		ChartVersion: optionalString(r.ChartVersion),
		AppVersion:   optionalString(r.AppVersion),
		History:      types.ListValueMust(types.ObjectType{AttrTypes: revisionTypes}, history),
	}
}

func wooCommerceFrom(engine spec.WooCommerce, prior storeModel) types.Object {
	m := wooCommerceModel{
		Title:            types.StringValue(engine.Title),
		AdminEmail:       types.StringValue(engine.AdminEmail),
		AdminUser:        types.StringValue(engine.AdminUser),
		Locale:           types.StringValue(engine.Locale),
		Version:          types.StringValue(engine.Version),
		WordPressVersion: types.StringValue(engine.WordPress),
		PHPVersion:       types.StringValue(engine.PHP),
		PluginSource:     types.StringValue(engine.PluginSource),
		PluginSHA256:     optionalString(engine.PluginSHA256),
		Registry:         types.StringValue(engine.Registry),
		SMTP:             types.ObjectNull(smtpTypes),
	}
	var priorSMTP *smtpModel
	if before := decodeObject[wooCommerceModel](prior.WooCommerce); before != nil {
		m.AdminPasswordWOVersion = before.AdminPasswordWOVersion
		priorSMTP = decodeObject[smtpModel](before.SMTP)
	}
	if engine.SMTP != nil {
		smtp := smtpModel{
			Host: types.StringValue(engine.SMTP.Host),
			Port: types.Int64Value(int64(engine.SMTP.Port)),
			User: optionalString(engine.SMTP.User),
			From: types.StringValue(engine.SMTP.From),
		}
		if priorSMTP != nil {
			smtp.PasswordWOVersion = priorSMTP.PasswordWOVersion
		}
		m.SMTP = encodeObject(smtpTypes, &smtp)
	}
	return encodeObject(wooCommerceTypes, &m)
}

func medusaFrom(engine spec.Medusa, prior storeModel) types.Object {
	m := medusaModel{
		Image:      types.StringValue(engine.Image),
		AdminEmail: types.StringValue(engine.AdminEmail),
		Cache:      types.BoolValue(engine.Cache),
		Worker:     types.BoolValue(engine.Worker),
		CORS:       listOf(engine.CORS),
		Registry:   types.StringValue(engine.Registry),
	}
	if before := decodeObject[medusaModel](prior.Medusa); before != nil {
		m.AdminPasswordWOVersion = before.AdminPasswordWOVersion
	}
	return encodeObject(medusaTypes, &m)
}

func chartFrom(engine spec.Chart, diags *diag.Diagnostics) types.Object {
	values, err := formatDocument(engine.Values)
	if err != nil {
		diags.AddError("Chart Values Not Readable", "The values that the cluster has on record cannot be written as YAML: "+err.Error())
	}
	return encodeObject(chartTypes, &chartModel{
		Source:   types.StringValue(engine.Source),
		Version:  optionalString(engine.Version),
		Values:   spell[document](values),
		Service:  optionalString(engine.Service),
		Port:     types.Int64Value(int64(engine.Port)),
		Target:   types.Int64Value(int64(engine.Target)),
		Username: optionalString(engine.Username),
	})
}

// quotaFrom is the part of a quota that a plan decides. Everything else in it is the same for every store.
func quotaFrom(hard map[string]string) types.Map {
	decided := make(map[string]string)
	for _, name := range []string{"limits.cpu", "limits.memory", "pods", "requests.storage", "jobs.limits.cpu", "jobs.limits.memory", "jobs.pods"} {
		if quantity, ok := hard[name]; ok {
			decided[name] = quantity
		}
	}
	return stringMap(decided)
}
