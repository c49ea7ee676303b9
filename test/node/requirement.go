package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
)

// skipError says that this machine cannot run a node, and why.
type skipError struct {
	reason   string
	required bool
}

// Error gives the reason.
func (e *skipError) Error() string { return "no real node here: " + e.reason }

// banner is what nobody overlooks.
func (e *skipError) banner() string {
	line := strings.Repeat("!", 100)
	return fmt.Sprintf("%s\nSKIPPED: no store ran in a container. %s.\nTo run it: Debian 12, root, and apt-get that reaches Debian's packages.\n%s", line, e.reason, line)
}

// packages are what has to be installed, by the file that shows that it is.
var packages = map[string]string{
	"chromium-driver":             "/usr/bin/chromedriver",
	"containerd":                  "/usr/bin/containerd",
	"containernetworking-plugins": "/usr/lib/cni/ptp",
	"debootstrap":                 "/usr/sbin/debootstrap",
	"iproute2":                    "/sbin/ip",
	"mount":                       "/bin/mount",
	"nftables":                    "/usr/sbin/nft",
	"runc":                        "/usr/sbin/runc",
}

// checkMachine returns a *skipError where a node cannot run.
func checkMachine(required bool) error {
	if os.Geteuid() != 0 {
		return &skipError{reason: "It needs root, for namespaces, mounts and a container runtime", required: required}
	}
	if _, err := os.Stat("/etc/debian_version"); err != nil {
		return &skipError{reason: "It needs Debian, whose packages it is made of", required: required}
	}
	return nil
}

// installPackages installs what is missing.
func installPackages(ctx context.Context, log *os.File) error {
	var missing []string
	for name, file := range packages {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	update := exec.CommandContext(ctx, "apt-get", "update")
	install := exec.CommandContext(ctx, "apt-get", append([]string{"install", "--yes", "--no-install-recommends"}, missing...)...)
	for _, command := range []*exec.Cmd{update, install} {
		command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		command.Stdout, command.Stderr = log, log
		if err := command.Run(); err != nil {
			return fmt.Errorf("apt-get %s (see %s): %w", strings.Join(command.Args[1:], " "), log.Name(), err)
		}
	}
	return nil
}
