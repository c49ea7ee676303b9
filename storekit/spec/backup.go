package spec

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Backup says when the data of a store is copied to its volume "backups", and for how long copies stay. Every upgrade and every
// restore makes one too, before it begins.
type Backup struct {
	Schedule string `json:"schedule,omitempty"` // cron expression in UTC such as "0 3 * * *"; empty = none but those before upgrades and restores, and on demand
	Keep     int    `json:"keep"`               // copies that stay, 1 to [MaxBackups], default 7
	Size     string `json:"size"`               // size of the volume, default "5Gi"
}

// backupJob is what a pod of a Job on data may use. The sum of an engine's Jobs fits into the Job room of the smallest built-in plan.
var backupJob = Component{Name: "backup", Replicas: 1, RequestCPU: "50m", LimitCPU: "250m", RequestMemory: "64Mi", LimitMemory: "192Mi"}

// MaxBackups is how many backups of a store can be kept.
const MaxBackups = 20

func (b Backup) withDefaults() Backup {
	if b.Keep == 0 {
		b.Keep = 7
	}
	setDefault(&b.Size, "5Gi")
	return b
}

func (b Backup) validate() FieldErrors {
	var errs FieldErrors
	if b.Keep < 1 || b.Keep > MaxBackups {
		errs.add("keep", strconv.Itoa(b.Keep), "must be 1 to %d", MaxBackups)
	}
	if b.Schedule == "" {
		return errs
	}
	_, err := cron.ParseStandard(b.Schedule) // the parser of Kubernetes, which refuses time zones within the expression
	if err == nil && strings.Contains(b.Schedule, "TZ") {
		err = errors.New("it names a time zone")
	}
	if err != nil {
		errs.add("schedule", b.Schedule, "must be a cron expression of five fields, in UTC, such as 0 3 * * * (every night at three): %v", err)
	}
	return errs
}

// BackupCopy is a backup that exists.
type BackupCopy struct {
	ID            string `json:"id"`             // time of its making, in UTC: "20261123t030000z"
	Reason        string `json:"reason"`         // "schedule", "demand", or what it was made before: "upgrade", "restore", "rollback"
	Tables        int    `json:"tables"`         // of the database
	Rows          int    `json:"rows"`           // of all tables together
	DatabaseBytes int64  `json:"database_bytes"` // of the dump, compressed
	Files         int    `json:"files"`          // of the content: uploads, plugins and themes
	ContentBytes  int64  `json:"content_bytes"`  // of the archive, compressed
	SHA256        string `json:"sha256"`         // of its manifest, which has the checksums of both
}

// backupIDLayout is how the id of a backup looks, for [time.Parse].
const backupIDLayout = "20060102t150405z"

// BackupID is the id of a backup that is begun at a time.
func BackupID(t time.Time) string { return t.UTC().Format(backupIDLayout) }

// RestoreSource is the store and the backup that [Store.RestoreFrom] means. The id is empty when there is nothing to restore.
func (s Store) RestoreSource() (store, id string) {
	before, after, other := strings.Cut(s.RestoreFrom, "/")
	if other {
		return before, after
	}
	return s.Name, before
}

var restoreForm = regexp.MustCompile(`^([a-z0-9-]+/)?\d{8}t\d{6}z$`)

func (e *FieldErrors) restoreFrom(s Store) {
	if s.RestoreFrom != "" {
		e.pattern("restore_from", s.RestoreFrom, restoreForm, "must be the id of a backup such as 20261123t030000z; of another store, store/id")
	}
}

// maxRotation bounds [Store.Rotation].
const maxRotation = 63
