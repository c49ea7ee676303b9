// Command listschema completes what `providers schema -json` of OpenTofu, and of Terraform before 1.14, leaves out: the schemas of
// list resources, which the documentation is generated from. It reads that JSON from standard input and writes it to standard
// output.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/provider"
)

// schema is a schema as Terraform writes it. List resources have plain attributes only.
type schema struct {
	Version int64 `json:"version"`
	Block   block `json:"block"`
}

type block struct {
	Attributes      map[string]attribute `json:"attributes"`
	Description     string               `json:"description"`
	DescriptionKind string               `json:"description_kind"`
}

type attribute struct {
	Type            any    `json:"type"`
	Description     string `json:"description"`
	DescriptionKind string `json:"description_kind"`
	Required        bool   `json:"required,omitempty"`
	Optional        bool   `json:"optional,omitempty"`
}

func main() {
	if err := complete(context.Background(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "listschema:", err)
		os.Exit(1)
	}
}

func complete(ctx context.Context, in io.Reader, out io.Writer) error {
	var document struct {
		FormatVersion string                    `json:"format_version"`
		Schemas       map[string]map[string]any `json:"provider_schemas"`
	}
	if err := json.NewDecoder(in).Decode(&document); err != nil {
		return fmt.Errorf("read schemas: %w", err)
	}
	lists, err := listSchemas(ctx)
	if err != nil {
		return err
	}
	for _, schemas := range document.Schemas {
		schemas["list_resource_schemas"] = lists
	}
	return json.NewEncoder(out).Encode(document)
}

// listSchemas asks the provider itself.
func listSchemas(ctx context.Context) (map[string]schema, error) {
	server, err := providerserver.NewProtocol6WithError(provider.New("docs")())()
	if err != nil {
		return nil, err
	}
	resp, err := server.GetProviderSchema(ctx, &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		return nil, fmt.Errorf("ask the provider for its schema: %w", err)
	}
	out := make(map[string]schema)
	for name, one := range resp.ListResourceSchemas {
		made := schema{Version: one.Version, Block: block{
			Attributes: make(map[string]attribute), Description: one.Block.Description, DescriptionKind: kind(one.Block.DescriptionKind),
		}}
		for _, a := range one.Block.Attributes {
			if a.Type == nil {
				return nil, fmt.Errorf("list resource %s: attribute %s is nested, which this program does not write yet", name, a.Name)
			}
			made.Block.Attributes[a.Name] = attribute{
				Type: a.Type, Description: a.Description, DescriptionKind: kind(a.DescriptionKind), Required: a.Required, Optional: a.Optional,
			}
		}
		out[name] = made
	}
	return out, nil
}

func kind(k tfprotov6.StringKind) string {
	if k == tfprotov6.StringKindMarkdown {
		return "markdown"
	}
	return "plain"
}
