package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"
	"k8s.io/apimachinery/pkg/util/version"
)

// TestMain serves the provider when a CLI has started the test binary as a plugin; see [newWorkspace].
func TestMain(m *testing.M) {
	if os.Getenv("TF_PLUGIN_MAGIC_COOKIE") == "" {
		os.Exit(m.Run())
	}
	if err := tf6server.Serve("registry.terraform.io/storeplatform/storeplatform", Server("test")); err != nil {
		log.Fatal(err)
	}
}

// workspace is a directory in which the CLI under test runs with the provider as a process of its own. It is for what the
// test framework cannot do: generated configuration, and state from elsewhere.
type workspace struct {
	t   *testing.T
	dir string
	env []string
}

// newWorkspace makes a workspace with a configuration. Every source given is this provider, under whatever name.
func newWorkspace(t *testing.T, config string, sources ...string) *workspace {
	t.Helper()
	w := &workspace{t: t, dir: t.TempDir()}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	plugins := t.TempDir()
	var overrides strings.Builder
	for _, source := range append(sources, "storeplatform/storeplatform") {
		program := filepath.Join(plugins, "terraform-provider-"+source[strings.LastIndex(source, "/")+1:])
		if err := os.Symlink(self, program); err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
		fmt.Fprintf(&overrides, "    %q = %q\n", source, plugins)
	}
	w.write(".cli.tfrc", "provider_installation {\n  dev_overrides {\n"+overrides.String()+"  }\n}\n")
	w.write("main.tf", config)
	w.env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+filepath.Join(w.dir, ".cli.tfrc"), "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1")
	return w
}

func (w *workspace) write(name, content string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// command is one call of the CLI that the test framework takes too.
func (w *workspace) command(args ...string) *exec.Cmd {
	program := os.Getenv("TF_ACC_TERRAFORM_PATH")
	if program == "" {
		program = "terraform"
	}
	cmd := exec.CommandContext(w.t.Context(), program, args...) //nolint:gosec // the CLI that the caller of the tests chose
	cmd.Dir, cmd.Env = w.dir, w.env
	return cmd
}

// run runs the CLI and returns what it says. The test fails unless it succeeds.
func (w *workspace) run(args ...string) string {
	w.t.Helper()
	out, err := w.try(args...)
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (w *workspace) try(args ...string) (string, error) {
	out, err := w.command(append(args, "-no-color")...).CombinedOutput()
	return string(out), err
}

// query runs a command that answers in JSON.
func (w *workspace) query(answer any, args ...string) {
	w.t.Helper()
	out, err := w.command(append(args, "-json")...).Output()
	if err == nil {
		err = json.Unmarshal(out, answer)
	}
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// importsByIdentity tells whether the CLI knows import blocks with an identity: Terraform and OpenTofu do since 1.12.
func (w *workspace) importsByIdentity() bool {
	w.t.Helper()
	var answer struct {
		Version string `json:"terraform_version"`
	}
	w.query(&answer, "version")
	return version.MustParseSemantic(answer.Version).AtLeast(version.MustParseSemantic("1.12.0"))
}

// registry is the host of the CLI's own registry.
func (w *workspace) registry() string {
	if host := os.Getenv("TF_ACC_PROVIDER_HOST"); host != "" {
		return host
	}
	return "registry.terraform.io"
}

// resources are the attributes of everything in state, by address.
func (w *workspace) resources() map[string]map[string]any {
	w.t.Helper()
	var state struct {
		Values struct {
			Root struct {
				Resources []struct {
					Address string         `json:"address"`
					Values  map[string]any `json:"values"`
				} `json:"resources"`
			} `json:"root_module"`
		} `json:"values"`
	}
	w.query(&state, "show")
	all := make(map[string]map[string]any)
	for _, one := range state.Values.Root.Resources {
		all[one.Address] = one.Values
	}
	return all
}
