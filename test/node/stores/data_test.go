package stores_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// Backups of the tests, from old to new.
const (
	firstBackup  = "20260101t000001z"
	secondBackup = "20260101t000002z"
	thirdBackup  = "20260101t000003z"
)

// branchNamespace stands for another store, which gets a backup.
const branchNamespace = "store-branch"

// shopData is the data of a store that is copied, destroyed and brought back.
type shopData struct {
	client    kubernetes.Interface
	namespace string
	pausing   []string // Deployments that stop while data are replaced, the one with the visitors first
	destroy   string   // what a script does to the database
	spoil     string   // what makes a dump fail, and how that ends; empty for nothing
	mend      string
	check     func(ctx context.Context) error // says what a visitor misses
	host      string
}

// survives backs the data up, destroys them and restores them. It ends with the shop as it was.
func (d *shopData) survives(t *testing.T) {
	checked := map[string]string{"SHOP_HOST": d.host}
	demand := map[string]string{"BACKUP_ID": firstBackup, "BACKUP_REASON": "demand"}
	must(t, "Check", func(t *testing.T) { d.succeeds(t, "check", checked) })
	must(t, "Backup", func(t *testing.T) {
		d.script(t, `mkdir -p /content/deep && echo old >/content/deep/old`)
		list := d.succeeds(t, "backup", demand)
		fields := strings.Fields(list[0])
		if len(list) != 1 || len(fields) != 8 || fields[0] != firstBackup || fields[1] != "demand" || slices.Contains(fields[2:5], "0") {
			t.Fatalf("Backups are %q, want one with an id, a reason, tables, rows, bytes, files, bytes and a checksum", list)
		}
		if again := d.succeeds(t, "backup", demand); !slices.Equal(again, list) {
			t.Errorf("The same backup once more: %q, want %q", again, list)
		}
	})
	d.pause(t)
	refused := d.start(t, "check", checked)
	must(t, "Restore", func(t *testing.T) {
		d.script(t, d.destroy+`; rm -rf /content/* /content/.[!.]*; echo new >/content/new`)
		d.succeeds(t, "restore", demand)
		d.script(t, `[ ! -e /content/new ] && [ "$(cat /content/deep/old)" = old ]`)
	})
	t.Run("DamagedBackup", func(t *testing.T) { d.refusesDamage(t) })
	t.Run("Transfer", func(t *testing.T) { d.transfers(t) })
	t.Run("FailedBackup", func(t *testing.T) { d.keepsNothing(t) })
	t.Run("OldBackupsGo", func(t *testing.T) { d.forgets(t) })
	t.Run("CheckOfNoShop", func(t *testing.T) {
		if words := d.end(t, d.namespace, refused, false); !strings.HasPrefix(words, "error: the shop does not answer") {
			t.Errorf("A check without a shop says %q", words)
		}
	})
	d.resume(t)
	took := eventually(t, "The shop after the restore", d.check)
	t.Logf("The shop was back %.1f s after it was started on the restored data.", took.Seconds())
}

// refusesDamage damages a backup, and mends it again.
func (d *shopData) refusesDamage(t *testing.T) {
	flip := `cd /backups/` + firstBackup + ` && printf '\377' | dd of=content.tar.gz bs=1 seek=9 conv=notrunc status=none && echo mark >/content/mark`
	d.script(t, `cp -a /backups/`+firstBackup+` /backups/whole; `+flip)
	words := d.fails(t, "restore", map[string]string{"BACKUP_ID": firstBackup})
	if !strings.Contains(words, "damaged") || !strings.Contains(words, "Nothing was changed") || strings.Contains(words, "\n") {
		t.Errorf("A damaged backup is refused with %q", words)
	}
	d.script(t, `[ -e /content/mark ] && rm -rf /content/mark /backups/`+firstBackup+` && mv /backups/whole /backups/`+firstBackup)
	words = d.fails(t, "restore", map[string]string{"BACKUP_ID": secondBackup})
	if !strings.Contains(words, "no backup "+secondBackup) || !strings.Contains(words, firstBackup) {
		t.Errorf("A backup that does not exist is refused with %q", words)
	}
}

// keepsNothing lets a backup fail, and another one come while a restore has not ended.
func (d *shopData) keepsNothing(t *testing.T) {
	if d.spoil != "" {
		d.script(t, d.spoil)
		if words := d.fails(t, "backup", map[string]string{"BACKUP_ID": secondBackup}); !strings.Contains(words, "dump of the database failed") {
			t.Errorf("A failed backup says %q", words)
		}
		d.script(t, d.mend+`; [ "$(ls -A /backups)" = "$(printf '%s\n' .lock `+firstBackup+`)" ]`)
	}
	d.script(t, `echo `+firstBackup+` >/backups/.restoring`)
	if words := d.fails(t, "backup", map[string]string{"BACKUP_ID": secondBackup}); !strings.Contains(words, firstBackup) {
		t.Errorf("A backup by the clock after a restore that did not end says %q", words)
	}
	if words := d.fails(t, "backup", map[string]string{"BACKUP_ID": secondBackup, "BACKUP_REASON": "demand"}); !strings.Contains(words, firstBackup) {
		t.Errorf("A backup on demand after a restore that did not end says %q", words)
	}
	d.script(t, `rm /backups/.restoring`)
}

// forgets makes two more backups and looks at what stays.
func (d *shopData) forgets(t *testing.T) {
	list := d.succeeds(t, "backup", map[string]string{"BACKUP_ID": secondBackup, "BACKUP_REASON": "upgrade", "BACKUP_KEEP": "1", "BACKUP_PROTECT": firstBackup})
	if len(list) != 2 || !strings.HasPrefix(list[0], secondBackup+" upgrade ") || !strings.HasPrefix(list[1], firstBackup) {
		t.Errorf("Backups are %q, want the second and the protected first", list)
	}
	list = d.succeeds(t, "backup", map[string]string{"BACKUP_ID": thirdBackup, "BACKUP_KEEP": "1"})
	if len(list) != 2 || !strings.HasPrefix(list[1], secondBackup) {
		t.Errorf("Backups are %q, want the one that the upgrade may go back to beside the third", list)
	}
	d.script(t, `rm -r /backups/.needed /backups/`+thirdBackup) // as the check of the upgraded shop does with the first
	list = d.succeeds(t, "backup", map[string]string{"BACKUP_ID": thirdBackup, "BACKUP_KEEP": "1"})
	if len(list) != 1 || !strings.HasPrefix(list[0], thirdBackup+" schedule ") {
		t.Errorf("Backups are %q, want the third alone", list)
	}
}

// transfers hands the first backup to another namespace, after a client with a wrong token.
func (d *shopData) transfers(t *testing.T) {
	d.branch(t)
	serving := d.start(t, "serve", map[string]string{"BACKUP_ID": firstBackup, "TRANSFER_TOKEN": "right"})
	var address string
	eventually(t, "The Job that serves", func(ctx context.Context) error {
		pods, err := d.client.CoreV1().Pods(d.namespace).List(ctx, metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + serving})
		if err == nil && (len(pods.Items) != 1 || pods.Items[0].Status.PodIP == "") {
			return fmt.Errorf("job %s has no pod with an address", serving)
		}
		if err == nil {
			address = pods.Items[0].Status.PodIP
		}
		return err
	})
	fetch := func(token string) string {
		env := map[string]string{"BACKUP_ID": firstBackup, "TRANSFER_HOST": address, "TRANSFER_TOKEN": token}
		return d.create(t, branchNamespace, "fetch", d.job(t, []string{"fetch"}, env))
	}
	if words := d.end(t, branchNamespace, fetch("wrong"), false); !strings.Contains(words, "refused") {
		t.Errorf("A wrong token is refused with %q", words)
	}
	fetched := strings.TrimSpace(d.end(t, branchNamespace, fetch("right"), true))
	if served := strings.TrimSpace(d.end(t, d.namespace, serving, true)); fetched != served {
		t.Errorf("The other store has %q, want %q", fetched, served)
	}
}

// branch makes a namespace with what a Job for data needs of a store.
func (d *shopData) branch(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	_, err := d.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: branchNamespace}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("Create namespace %s: %v", branchNamespace, err)
	}
	t.Cleanup(func() {
		_ = d.client.CoreV1().Namespaces().Delete(context.Background(), branchNamespace, metav1.DeleteOptions{})
		eventually(t, "The end of namespace "+branchNamespace, func(ctx context.Context) error {
			if _, err := d.client.CoreV1().Namespaces().Get(ctx, branchNamespace, metav1.GetOptions{}); err == nil {
				return fmt.Errorf("namespace %s is still there", branchNamespace)
			}
			return nil
		})
	})
	files, err := d.client.CoreV1().ConfigMaps(d.namespace).Get(ctx, "files", metav1.GetOptions{})
	if err != nil {
		t.Fatalf("Read the scripts: %v", err)
	}
	credentials, err := d.client.CoreV1().Secrets(d.namespace).Get(ctx, "credentials", metav1.GetOptions{})
	if err != nil {
		t.Fatalf("Read the credentials: %v", err)
	}
	files.ObjectMeta, credentials.ObjectMeta = metav1.ObjectMeta{Name: files.Name}, metav1.ObjectMeta{Name: credentials.Name}
	if _, err := d.client.CoreV1().ConfigMaps(branchNamespace).Create(ctx, files, metav1.CreateOptions{}); err != nil {
		t.Fatalf("Copy the scripts: %v", err)
	}
	if _, err := d.client.CoreV1().Secrets(branchNamespace).Create(ctx, credentials, metav1.CreateOptions{}); err != nil {
		t.Fatalf("Copy the credentials: %v", err)
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "store"}}
	if _, err := d.client.CoreV1().ServiceAccounts(branchNamespace).Create(ctx, account, metav1.CreateOptions{}); err != nil {
		t.Fatalf("Create the service account: %v", err)
	}
	for _, name := range []string{"content", "backups"} {
		claim, err := d.client.CoreV1().PersistentVolumeClaims(d.namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			t.Fatalf("Read claim %s: %v", name, err)
		}
		claim.ObjectMeta, claim.Spec.VolumeName = metav1.ObjectMeta{Name: name}, ""
		if _, err := d.client.CoreV1().PersistentVolumeClaims(branchNamespace).Create(ctx, claim, metav1.CreateOptions{}); err != nil {
			t.Fatalf("Create claim %s: %v", name, err)
		}
	}
}

// succeeds runs the script for data and returns its last words: the backups that there are.
func (d *shopData) succeeds(t *testing.T, verb string, env map[string]string) []string {
	t.Helper()
	return strings.Split(strings.TrimSpace(d.end(t, d.namespace, d.start(t, verb, env), true)), "\n")
}

// fails runs the script for data and returns its error.
func (d *shopData) fails(t *testing.T, verb string, env map[string]string) string {
	t.Helper()
	return strings.TrimSpace(d.end(t, d.namespace, d.start(t, verb, env), false))
}

// script runs commands with the volumes and the database within reach.
func (d *shopData) script(t *testing.T, commands string) {
	t.Helper()
	job := d.job(t, nil, nil)
	commands = `set -eu; umask 077; user() { cat /secrets/credentials/database-user 2>/dev/null || echo "$1"; }; . /etc/store/database.sh; ` + commands
	job.Spec.Template.Spec.Containers[0].Command = []string{"/bin/bash", "-c", commands}
	d.end(t, d.namespace, d.create(t, d.namespace, "script", job), true)
}

func (d *shopData) start(t *testing.T, verb string, env map[string]string) string {
	t.Helper()
	return d.create(t, d.namespace, verb, d.job(t, []string{verb}, env))
}

// job makes a Job of the CronJob, as storekit does.
func (d *shopData) job(t *testing.T, args []string, env map[string]string) *batchv1.Job {
	t.Helper()
	cron, err := d.client.BatchV1().CronJobs(d.namespace).Get(t.Context(), "backup", metav1.GetOptions{})
	if err != nil {
		t.Fatalf("Read the CronJob: %v", err)
	}
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Labels: cron.Spec.JobTemplate.Labels}, Spec: cron.Spec.JobTemplate.Spec}
	pod := &job.Spec.Template.Spec
	pod.Affinity = nil
	pod.Containers[0].Args = args
	for _, name := range slices.Sorted(maps.Keys(env)) {
		pod.Containers[0].Env = slices.DeleteFunc(pod.Containers[0].Env, func(one corev1.EnvVar) bool { return one.Name == name })
		pod.Containers[0].Env = append(pod.Containers[0].Env, corev1.EnvVar{Name: name, Value: env[name]})
	}
	return job
}

func (d *shopData) create(t *testing.T, namespace, name string, job *batchv1.Job) string {
	t.Helper()
	job.GenerateName = name + "-"
	made, err := d.client.BatchV1().Jobs(namespace).Create(t.Context(), job, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("Create a Job to %s: %v", name, err)
	}
	return made.Name
}

// end waits for the end of a Job and returns the last words of its pod. The test fails when the Job ended in another way than it should.
func (d *shopData) end(t *testing.T, namespace, name string, should bool) string {
	t.Helper()
	var pod corev1.Pod
	eventually(t, "Job "+name, func(ctx context.Context) error {
		pods, err := d.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + name})
		if err != nil {
			return err
		}
		if len(pods.Items) != 1 || pods.Items[0].Status.Phase != corev1.PodSucceeded && pods.Items[0].Status.Phase != corev1.PodFailed {
			return fmt.Errorf("job %s has not ended", name)
		}
		pod = pods.Items[0]
		return nil
	})
	log, err := d.client.CoreV1().Pods(namespace).GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(t.Context())
	if err != nil {
		t.Fatalf("Read the log of pod %s: %v", pod.Name, err)
	}
	if len(pod.Status.ContainerStatuses) != 1 || pod.Status.ContainerStatuses[0].State.Terminated == nil {
		t.Fatalf("Pod %s has not ended as a pod does: %+v", pod.Name, pod.Status)
	}
	ended := pod.Status.ContainerStatuses[0].State.Terminated
	t.Logf("Job %s took %.0f s and says %q; its log:\n%s", name, ended.FinishedAt.Sub(ended.StartedAt.Time).Seconds(), ended.Message, log)
	if (pod.Status.Phase == corev1.PodSucceeded) != should {
		t.Fatalf("Job %s ended with code %d; should it succeed: %t", name, ended.ExitCode, should)
	}
	if should == strings.HasPrefix(ended.Message, "error: ") {
		t.Errorf("Job %s ended with code %d and says %q", name, ended.ExitCode, ended.Message)
	}
	d.keepsSecrets(t, string(log)+ended.Message)
	return ended.Message
}

// keepsSecrets looks for a generated password in a text.
func (d *shopData) keepsSecrets(t *testing.T, text string) {
	t.Helper()
	secret, err := d.client.CoreV1().Secrets(d.namespace).Get(t.Context(), "credentials", metav1.GetOptions{})
	if err != nil {
		t.Fatalf("Read the credentials: %v", err)
	}
	if strings.Contains(text, string(secret.Data["database-password"])) {
		t.Error("The password of the database is in a log")
	}
}

// pause stops what works on the data.
func (d *shopData) pause(t *testing.T) {
	t.Helper()
	for _, name := range d.pausing {
		d.scale(t, name, 0)
	}
	for _, name := range d.pausing {
		eventually(t, "The end of "+name, func(ctx context.Context) error {
			pods, err := d.client.CoreV1().Pods(d.namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=" + name})
			if err == nil && len(pods.Items) > 0 {
				return fmt.Errorf("there are %d pods of %s", len(pods.Items), name)
			}
			return err
		})
	}
}

// resume starts it again, and returns when it is ready.
func (d *shopData) resume(t *testing.T) {
	t.Helper()
	begun := time.Now()
	for _, name := range d.pausing {
		d.scale(t, name, 1)
	}
	for _, name := range d.pausing {
		eventually(t, "Pod of "+name, func(ctx context.Context) error { return podIsReady(ctx, d.client, d.namespace, name) })
	}
	t.Logf("%s were ready %.1f s after they were started on the restored data.", strings.Join(d.pausing, " and "), time.Since(begun).Seconds())
}

func (d *shopData) scale(t *testing.T, name string, replicas int) {
	t.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	_, err := d.client.AppsV1().Deployments(d.namespace).Patch(t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{}, "scale")
	if err != nil {
		t.Fatalf("Scale %s: %v", name, err)
	}
}
