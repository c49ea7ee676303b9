package spec

// RecordStatus says what is to be done about a DNS record.
type RecordStatus string

// The statuses of a record.
const (
	RecordOK      RecordStatus = "ok"      // found as required
	RecordAdd     RecordStatus = "add"     // not there: add it
	RecordFailure RecordStatus = "failure" // there, but wrong: change or delete it
	RecordUnknown RecordStatus = "unknown" // could not be read
)

// Record is one DNS record that a domain needs, or must not have, and what was found.
type Record struct {
	Type         string       // "A", "AAAA" or "CNAME"
	Name         string       // fully qualified, without trailing dot: "shop.example.com"
	RelativeName string       // within its zone: "shop"; "@" for the zone itself
	Value        string       // required value; empty when the record must go
	Status       RecordStatus //
	Found        []string     // values that were found
	AnsweredBy   string       // the server that said so
	Message      string       // what to do, in one line
}
