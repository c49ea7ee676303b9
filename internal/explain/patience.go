package explain

import "time"

// Patience decides when a wait has no hope left.
type Patience struct {
	Started time.Time // of the operation that waits

	since map[string]time.Time // how long a terminal cause has held, by object
}

// Over tells whether one of the findings has held so long that no waiting helps. It is asked with everything that holds now, again
// and again.
func (p *Patience) Over(findings []Finding, now time.Time) bool {
	held, over := make(map[string]time.Time), false
	for _, f := range findings {
		e := table[rank(f.Code)]
		// Times of the cluster have whole seconds.
		old := e.Dated && f.Said.Before(p.Started.Truncate(time.Second))
		if !e.Terminal || f.Hopeful || old {
			continue
		}
		key := f.Object.String()
		since, known := p.since[key]
		if !known {
			since = now
		}
		held[key] = since
		over = over || now.Sub(since) >= e.Grace
	}
	p.since = held
	return over
}
