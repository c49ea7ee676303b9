// Command troubleshooting writes the guide on why a store does not become ready, from the table that the causes in error messages
// take their words from. It writes to standard output.
package main

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"strings"
	"text/template"
	"time"

	"github.com/storeplatform/terraform-provider-storeplatform/internal/explain"
)

//go:embed troubleshooting.md.tmpl
var guide string

func main() {
	if err := write(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "troubleshooting:", err)
		os.Exit(1)
	}
}

func write(out io.Writer) error {
	page, err := template.New("guide").Funcs(template.FuncMap{"ends": ends, "generic": generic, "advice": advice}).Parse(guide)
	if err != nil {
		return fmt.Errorf("parse the guide: %w", err)
	}
	return page.Execute(out, struct {
		Causes   []explain.Entry
		LogLines int
	}{explain.Table(), explain.LogLines})
}

// ends says when a cause ends the wait.
func ends(e explain.Entry) string {
	switch {
	case !e.Terminal:
		return "no"
	case e.Grace == 0:
		return "at once"
	}
	return fmt.Sprintf("after %d s", e.Grace/time.Second)
}

// generic puts names in capitals for the placeholders of a text, as manuals do.
func generic(text string) string {
	return strings.NewReplacer(
		"{namespace}", "NAMESPACE", "{name}", "NAME", "{container}", "CONTAINER", "{image}", "IMAGE", "{limit}", "",
		"{class}", "CLASS", "{service}", "SERVICE",
	).Replace(text)
}

// advice is what to do, with its command as code.
func advice(text string) string {
	text = generic(text)
	start := strings.Index(text, "kubectl ")
	if start < 0 {
		return sentence(text)
	}
	before, command, after := text[:start], text[start:], ""
	if end := strings.IndexByte(command, ')'); end >= 0 {
		command, after = command[:end], command[end:]
	}
	return sentence(before + "`" + command + "`" + after)
}

func sentence(text string) string {
	if strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}
