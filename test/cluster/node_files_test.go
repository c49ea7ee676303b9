package main

import (
	"os"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestRealNodeIsAwaited(t *testing.T) {
	p, err := startProgram("--node=real", "--dir="+t.TempDir())
	if err != nil {
		t.Fatalf("Boot the test cluster: %v", err)
	}
	t.Cleanup(func() {
		if err := p.lifeline.Close(); err != nil {
			t.Errorf("Cut the lifeline: %v", err)
		}
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("The program ended with %v, want a clean end", err)
		}
	})
	for _, name := range []string{"kubelet.kubeconfig", "kube-proxy.kubeconfig", "ca.crt"} {
		if _, err := os.Stat(filepath.Join(p.dir(), name)); err != nil {
			t.Errorf("A kubelet cannot join: %v", err)
		}
	}
	nodes, err := p.client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatalf("List nodes: %v", err)
	}
	if len(nodes.Items) != 0 {
		t.Errorf("There are %d nodes before one has joined", len(nodes.Items))
	}
	deployments, err := p.client.AppsV1().Deployments(metav1.NamespaceSystem).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatalf("List deployments: %v", err)
	}
	if len(deployments.Items) != 0 {
		t.Errorf("There are %d Deployments in kube-system that only pretend to run", len(deployments.Items))
	}
}
