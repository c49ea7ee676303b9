package explain

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
)

// Mask stands for what must not be shown.
const Mask = "***"

// minSecret is the length from which a value is masked wherever it occurs: shorter ones would mask words that say nothing.
const minSecret = 4

// Redact masks secret values in what a container said, also in base64, and whatever follows a word that announces a secret.
func Redact(text string, secrets []string) string {
	var masked []string
	for _, value := range secrets {
		for _, line := range strings.Split(value, "\n") { // logs have lines: a key of many is shown in pieces
			if line = strings.TrimSpace(line); len(line) >= minSecret {
				masked = append(masked, line, base64.StdEncoding.EncodeToString([]byte(line)))
			}
		}
	}
	// Of two values where one begins with the other, the longer one goes first.
	slices.SortFunc(masked, func(a, b string) int { return len(b) - len(a) })
	for _, value := range masked {
		text = strings.ReplaceAll(text, value, Mask)
	}
	text = announced.ReplaceAllString(text, "${1}"+Mask)
	return inAddress.ReplaceAllString(text, "${1}"+Mask+"@")
}

var (
	// announced is password=..., "apiKey": "...", Authorization: Bearer ... and their kin.
	announced = regexp.MustCompile(`(?i)((?:pass(?:word|wd|phrase)?|pwd|token|secret|api[-_]?key|access[-_]?key|private[-_]?key|authorization|credentials?)[\w.-]*["']?\s*(?:=>|[=:])\s*)` +
		`(?:(?:bearer|basic)\s+)?(?:"[^"]*"?|'[^']*'?|[^\s,;&]+)`)
	// inAddress is the password in scheme://user:password@host.
	inAddress = regexp.MustCompile(`(\w://[^\s:/@]*:)[^\s/@]+@`)
)

// LogLines is how many of the last lines of a log are shown.
const LogLines = 20

// Tail returns the last lines of a container's words, redacted.
func Tail(text string, secrets []string) string {
	lines := strings.Split(strings.TrimSpace(Redact(text, secrets)), "\n")
	return strings.Join(lines[max(0, len(lines)-LogLines):], "\n")
}

// Uncut drops the first and the last line of text that a limit of bytes may have cut: half a secret is not recognised.
func Uncut(text string, limit int) string {
	if len(text) < limit {
		return text
	}
	_, text, _ = strings.Cut(text, "\n")
	return text[:max(0, strings.LastIndexByte(text, '\n'))]
}
