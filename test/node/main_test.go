package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseOptions(t *testing.T) {
	cases := map[string]struct {
		reason string
		args   []string
		want   options
		fails  bool
	}{
		"Command": {
			reason: "What follows -- belongs to the command.",
			args:   []string{"--", "stores.test", "-test.v"},
			want:   options{root: ".", dir: "bin/node", command: []string{"stores.test", "-test.v"}},
		},
		"Required": {
			reason: "CI may insist on a node.",
			args:   []string{"--required", "--dir=/tmp/x", "--", "true"},
			want:   options{root: ".", dir: "/tmp/x", required: true, command: []string{"true"}},
		},
		"NoCommand": {reason: "A node without a command would end at once.", fails: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := parseOptions(tc.args)
			if (err != nil) != tc.fails {
				t.Fatalf("%s Got error %v", tc.reason, err)
			}
			if tc.fails {
				return
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(options{})); diff != "" {
				t.Errorf("%s (-want, +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestConfigurationIsComplete(t *testing.T) {
	n := &node{task: task{State: t.TempDir(), Cgroup: "testnode-1"}}
	if err := n.writeConfiguration(); err != nil {
		t.Fatalf("Write configuration: %v", err)
	}
	for _, name := range []string{"containerd.toml", "kubelet.yaml", "kube-proxy.yaml", "cni/pods.conflist", "resolv.conf"} {
		data, err := os.ReadFile(filepath.Join(n.State, name))
		if err != nil {
			t.Errorf("A program of the node reads it: %v", err)
		}
		if strings.Contains(string(data), "{{") {
			t.Errorf("%s is not filled in:\n%s", name, data)
		}
	}
}
