package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/function"

	"github.com/storeplatform/terraform-provider-storeplatform/storekit/spec"
)

var _ function.Function = nipIOHostFunction{}

func newNipIOHostFunction() function.Function { return nipIOHostFunction{} }

type nipIOHostFunction struct{}

// Metadata implements [function.Function].
func (nipIOHostFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "nip_io_host"
}

// Definition implements [function.Function].
func (nipIOHostFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary: "Host name for a store without a domain",
		MarkdownDescription: "Returns a host name below [nip.io](https://nip.io), a public DNS service that answers for a host with the address in it, such as `acme.203-0-113-10.nip.io`. A store has a host with it before anybody sets up DNS.\n\n" +
			"An IPv6 address is written out in full. A name that itself reads like an address is refused: nip.io would answer with that one.\n\n" +
			"For trials only. All users of the service share one quota of certificates, which is often used up; with Let's Encrypt, use its staging environment.",
		Parameters: []function.Parameter{
			function.StringParameter{Name: "name", MarkdownDescription: "First label of the host, such as the name of the store: lower case letters, digits and `-`, at most 63 characters."},
			function.StringParameter{Name: "address", MarkdownDescription: "IPv4 or IPv6 address of the cluster's ingress controller, such as `203.0.113.10`. See `addresses` of the data source `storeplatform_cluster`."},
		},
		Return: function.StringReturn{},
	}
}

// Run implements [function.Function].
func (nipIOHostFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var name, address string
	if resp.Error = req.Arguments.Get(ctx, &name, &address); resp.Error != nil {
		return
	}
	host, err := spec.NipHost(name, address)
	if err != nil {
		resp.Error = argumentErrors(err, "name", "address")
		return
	}
	resp.Error = resp.Result.Set(ctx, host)
}

// argumentErrors puts every wrong field on the parameter of its name. The CLI ends the text with a full stop.
func argumentErrors(err error, parameters ...string) *function.FuncError {
	var all *function.FuncError
	for _, wrong := range spec.FieldErrorsOf(err) {
		for position, name := range parameters {
			if wrong.Path == name {
				all = function.ConcatFuncErrors(all, function.NewArgumentFuncError(int64(position), wrong.Error()))
			}
		}
	}
	return all
}
