package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Names and addresses that test/cluster promises. The networks are those of k3s.
const (
	nodeName      = "real-1"
	nodeAddress   = "198.51.100.10"
	publicAddress = "192.0.2.10" // of load balancers
	podNetwork    = "10.42.0.0/24"
	podNetworks   = "10.42.0.0/20"
	serviceNet    = "10.43.0.0/16"
	dnsService    = "10.43.0.10"
)

// mountProc makes /proc show the processes of the namespace, and keeps mounts from reaching the machine.
func mountProc() error {
	if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	// Within the namespace they spread, as the kubelet expects of a machine.
	if err := syscall.Mount("", "/", "", syscall.MS_SHARED|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("make mounts shared: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	return nil
}

// coverDirectories puts empty directories over those of the machine that a node writes to.
func coverDirectories(state string) error {
	for _, dir := range []string{"/run", "/var/lib", "/var/log"} {
		own := filepath.Join(state, strings.ReplaceAll(strings.TrimPrefix(dir, "/"), "/", "-"))
		if err := os.MkdirAll(own, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount(own, dir, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("cover %s: %w", dir, err)
		}
	}
	return nil
}

// makeNetwork gives the namespace the addresses of the node. What goes elsewhere is refused at once.
func makeNetwork() error {
	for _, line := range []string{
		"link set lo up",
		"link add node0 type bridge",
		"address add " + nodeAddress + "/32 dev node0",
		"address add " + publicAddress + "/32 dev node0",
		"link set node0 up",
		"route add " + serviceNet + " dev node0", // kube-proxy sends it on
		"route add unreachable default",
	} {
		if output, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, output)
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("forward packets: %w", err)
	}
	return nil
}
