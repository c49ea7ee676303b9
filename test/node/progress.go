package main

import (
	"fmt"
	"io"
	"time"
)

// progress tells what happens and how long it took.
type progress struct {
	out     io.Writer
	started time.Time
}

func (p *progress) say(format string, args ...any) {
	fmt.Fprintf(p.out, "testnode: %6.1fs %s\n", time.Since(p.started).Seconds(), fmt.Sprintf(format, args...))
}

// step says what begins, does it, and says how long it took.
func (p *progress) step(what string, do func() error) error {
	p.say("%s", what)
	begun := time.Now()
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	p.say("%s: done in %.1f s", what, time.Since(begun).Seconds())
	return nil
}
