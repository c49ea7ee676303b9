package provider

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/types"
)

func TestDefaultHost(t *testing.T) {
	t.Parallel()
	domain, name := types.StringValue("shops.example.com"), types.StringValue("acme")
	chart := func(service types.String) *chartModel { return &chartModel{Service: service} }
	for reason, tc := range map[string]struct {
		domain, name types.String
		chart        *chartModel
		want         types.String
	}{
		"a store answers below the provider's domain":             {domain, name, nil, types.StringValue("acme.shops.example.com")},
		"so does a chart that names what answers":                 {domain, name, chart(types.StringValue("shop")), types.StringValue("acme.shops.example.com")},
		"a chart without a Service would be refused for its host": {domain, name, chart(types.StringNull()), types.StringNull()},
		"whether a chart names a Service may be said later":       {domain, name, chart(types.StringUnknown()), types.StringUnknown()},
		"an unknown domain makes an unknown host":                 {types.StringUnknown(), name, nil, types.StringUnknown()},
		"an unknown name makes an unknown host":                   {domain, types.StringUnknown(), nil, types.StringUnknown()},
		"without a domain there is no host":                       {types.StringNull(), name, nil, types.StringNull()},
	} {
		p := storePlan{platform: &platform{baseDomain: tc.domain}, plan: storeModel{Name: tc.name, Chart: encodeObject(chartTypes, tc.chart)}}
		if got := p.defaultHost(); !got.Equal(tc.want) {
			t.Errorf("%s: got %s, want %s", reason, got, tc.want)
		}
	}
}
