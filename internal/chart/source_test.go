package chart_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/chart"
)

// TestSource refuses what would make an apply differ from its plan, or what Helm does behind our back.
func TestSource(t *testing.T) {
	forbidden := map[string]*regexp.Regexp{
		"reads the cluster, which a plan may not have":   regexp.MustCompile(`\blookup\b`),
		"differs from one rendering to the next":         regexp.MustCompile(`\b(now|rand\w*|gen\w*(Cert|CA|Key)\w*|uuidv4|htpasswd|bcrypt|derivePassword|encryptAES|ago)\b`),
		"depends on the release's history":               regexp.MustCompile(`\.Release\.(Revision|IsInstall|IsUpgrade)`),
		"depends on the cluster's version":               regexp.MustCompile(`\.Capabilities\b`),
		"depends on the network":                         regexp.MustCompile(`\bgetHostByName\b`),
		"is a hook, which ignores cancellation":          regexp.MustCompile(`helm\.sh/hook`),
		"renders text of a user as a template":           regexp.MustCompile(`\btpl\b`),
		"depends on the machine that renders":            regexp.MustCompile(`\b(env|expandenv|osBase)\b\s+"`),
		"holds the content of a Secret in Helm's record": regexp.MustCompile(`(?m)^kind: Secret$`),
	}
	files, err := chart.Files()
	if err != nil {
		t.Fatal(err)
	}
	templates := 0
	for path, data := range files {
		if strings.HasPrefix(path, "crds/") {
			t.Errorf("%s: Helm neither updates nor removes CRDs", path)
		}
		if !strings.HasPrefix(path, "templates/") {
			continue
		}
		templates++
		// Only what stands between braces is code; the kind and annotations are matched in the text too.
		for why, pattern := range forbidden {
			code := string(data)
			if !strings.Contains(why, "hook") && !strings.Contains(why, "Secret") {
				code = strings.Join(regexp.MustCompile(`(?s)\{\{-?[^/].*?\}\}`).FindAllString(code, -1), "\n")
			}
			if found := pattern.FindString(code); found != "" {
				t.Errorf("%s: %q %s", path, strings.TrimSpace(found), why)
			}
		}
	}
	if templates < 10 {
		t.Errorf("only %d templates embedded: helpers are left out unless the pattern begins with all:", templates)
	}
	if _, ok := files["templates/_helpers.tpl"]; !ok {
		t.Error("templates/_helpers.tpl is not embedded")
	}
}

// TestScripts checks that no script or configuration is a template: what a user chose is never part of their text.
func TestScripts(t *testing.T) {
	files, err := chart.Files()
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range files {
		if strings.HasPrefix(path, "files/") && strings.Contains(string(data), "{{") {
			t.Errorf("%s holds a template action", path)
		}
	}
}
