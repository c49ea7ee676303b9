// Command listschema completes what `providers schema -json` of OpenTofu, and of Terraform before 1.14, leaves out: the schemas of
// list resources and actions, which the documentation is generated from. It reads that JSON from standard input and writes it to standard
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

// schema is a schema as Terraform writes it. List resources and actions have plain attributes only.
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
	missing, err := missingSchemas(ctx)
	if err != nil {
		return err
	}
	for _, schemas := range document.Schemas {
		for key, byName := range missing {
			schemas[key] = byName
		}
	}
	return json.NewEncoder(out).Encode(document)
}

// missingSchemas asks the provider itself, and returns schemas by name, by the key under which Terraform writes them.
func missingSchemas(ctx context.Context) (map[string]map[string]schema, error) {
	server, err := providerserver.NewProtocol6WithError(provider.New("docs")())()
	if err != nil {
		return nil, err
	}
	resp, err := server.GetProviderSchema(ctx, &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		return nil, fmt.Errorf("ask the provider for its schema: %w", err)
	}
	lists, actions := make(map[string]schema), make(map[string]schema)
	for name, one := range resp.ListResourceSchemas {
		if lists[name], err = written(name, one); err != nil {
			return nil, err
		}
	}
	for name, one := range resp.ActionSchemas {
		if actions[name], err = written(name, one.Schema); err != nil {
			return nil, err
		}
	}
	return map[string]map[string]schema{"list_resource_schemas": lists, "action_schemas": actions}, nil
}

// written is a schema as Terraform writes it.
func written(name string, from *tfprotov6.Schema) (schema, error) {
	made := schema{Version: from.Version, Block: block{
		Attributes: make(map[string]attribute), Description: from.Block.Description, DescriptionKind: kind(from.Block.DescriptionKind),
	}}
	for _, a := range from.Block.Attributes {
		if a.Type == nil {
			return schema{}, fmt.Errorf("%s: attribute %s is nested, which this program does not write yet", name, a.Name)
		}
		made.Block.Attributes[a.Name] = attribute{
			Type: a.Type, Description: a.Description, DescriptionKind: kind(a.DescriptionKind), Required: a.Required, Optional: a.Optional,
		}
	}
	return made, nil
}

func kind(k tfprotov6.StringKind) string {
	if k == tfprotov6.StringKindMarkdown {
		return "markdown"
	}
	return "plain"
}
