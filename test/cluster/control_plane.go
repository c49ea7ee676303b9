package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// kubernetesVersion is what the program is built from and must be stamped as.
const kubernetesVersion = "v1.37.2"

// The networks are those of k3s, the addresses from the ranges that RFC 5737 keeps for documentation.
const (
	serviceCIDR  = "10.43.0.0/16"
	apiServiceIP = "10.43.0.1"
	dnsServiceIP = "10.43.0.10"
	// podCIDR is wider than the /24 k3s gives a node, because one node carries every pod here.
	podCIDR = "10.42.0.0/20"
)

// The file names of two kubeconfigs with the same rights: one for the user of the cluster, who gets a copy, and one for
// its components and the simulation, so that an audit log tells their requests apart.
const (
	adminKubeconfig     = "admin.kubeconfig"
	componentKubeconfig = "component.kubeconfig"
)

// The names of the other files that newControlPlane writes.
const (
	authorityFile         = "ca.crt"
	serverCertificateFile = "apiserver.crt"
	serverKeyFile         = "apiserver.key"
	serviceAccountKeyFile = "service-account.key"
	stagesFile            = "stages.yaml"
	auditPolicyFile       = "audit-policy.yaml"

	// What the API server shows to a real kubelet.
	kubeletClientCertificateFile = "kubelet-client.crt"
	kubeletClientKeyFile         = "kubelet-client.key"
)

// mastersGroup may do everything.
const mastersGroup = "system:masters"

// auditPolicy records who asked for what and how it ended, once per request, without the objects.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`

// controlPlane knows the files and addresses of one control plane; its methods are the flags of its components.
type controlPlane struct {
	dir                            string
	auditLog                       string
	node                           nodeKind
	ca                             *authority
	etcdPort, peerPort, serverPort int
}

// newControlPlane chooses free ports and writes the keys, certificates and configuration into dir.
func newControlPlane(dir string, o options) (*controlPlane, error) {
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	p := &controlPlane{dir: dir, node: o.node, etcdPort: ports[0], peerPort: ports[1], serverPort: ports[2]}
	if o.auditLog != "" {
		if p.auditLog, err = filepath.Abs(o.auditLog); err != nil {
			return nil, fmt.Errorf("resolve audit log: %w", err)
		}
	}
	ca, err := newAuthority("testcluster")
	if err != nil {
		return nil, err
	}
	p.ca = ca
	serving, err := ca.server()
	if err != nil {
		return nil, err
	}
	admin, err := p.kubeconfig("testcluster-admin", mastersGroup)
	if err != nil {
		return nil, err
	}
	component, err := p.kubeconfig("testcluster-component", mastersGroup)
	if err != nil {
		return nil, err
	}
	serviceAccountKey, err := newServiceAccountKey()
	if err != nil {
		return nil, err
	}
	stages, err := kwokStages()
	if err != nil {
		return nil, err
	}
	toKubelet, err := ca.client("testcluster-api-server", mastersGroup)
	if err != nil {
		return nil, err
	}
	return p, writePrivate(dir, map[string][]byte{
		authorityFile:         ca.pem,
		serverCertificateFile: serving.cert,
		serverKeyFile:         serving.key,
		serviceAccountKeyFile: serviceAccountKey,
		adminKubeconfig:       admin,
		componentKubeconfig:   component,
		stagesFile:            stages,
		auditPolicyFile:       []byte(auditPolicy),

		kubeletClientCertificateFile: toKubelet.cert,
		kubeletClientKeyFile:         toKubelet.key,
	})
}

// kubeconfig returns a kubeconfig for a new user of a group.
func (p *controlPlane) kubeconfig(user, group string) ([]byte, error) {
	certificate, err := p.ca.client(user, group)
	if err != nil {
		return nil, err
	}
	return kubeconfig(p.url(), p.ca.pem, certificate)
}

// url is the address of the API server.
func (p *controlPlane) url() string { return fmt.Sprintf("https://127.0.0.1:%d", p.serverPort) }

func (p *controlPlane) file(name string) string { return filepath.Join(p.dir, name) }

func (p *controlPlane) etcdFlags() []string {
	client := fmt.Sprintf("http://127.0.0.1:%d", p.etcdPort)
	peer := fmt.Sprintf("http://127.0.0.1:%d", p.peerPort)
	return []string{
		"--name=default",
		"--data-dir=" + p.file("etcd"),
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=default=" + peer,
		"--unsafe-no-fsync", // the data is thrown away with the cluster
		"--log-level=warn",
	}
}

func (p *controlPlane) apiServerFlags() []string {
	flags := []string{
		fmt.Sprintf("--etcd-servers=http://127.0.0.1:%d", p.etcdPort),
		"--bind-address=" + p.bindAddress(),
		fmt.Sprintf("--secure-port=%d", p.serverPort),
		// Only what the "kubernetes" Service says; loopback is refused as an endpoint.
		"--advertise-address=" + nodeInternalIP,
		"--cert-dir=" + p.dir,
		"--tls-cert-file=" + p.file(serverCertificateFile),
		"--tls-private-key-file=" + p.file(serverKeyFile),
		"--client-ca-file=" + p.file(authorityFile),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + p.file(serviceAccountKeyFile),
		"--service-account-signing-key-file=" + p.file(serviceAccountKeyFile),
		"--service-cluster-ip-range=" + serviceCIDR,
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction", // as k3s; the rest is on by default
		"--allow-privileged=true",                    // as k3s: Pod Security has to refuse, not validation
	}
	if p.node == realNode {
		flags = append(flags,
			"--kubelet-client-certificate="+p.file(kubeletClientCertificateFile),
			"--kubelet-client-key="+p.file(kubeletClientKeyFile),
			"--kubelet-preferred-address-types=InternalIP", // the name of the node is in no DNS
		)
	}
	if p.auditLog != "" {
		flags = append(flags, "--audit-policy-file="+p.file(auditPolicyFile), "--audit-log-path="+p.auditLog)
	}
	return flags
}

// bindAddress is loopback, unless pods have to reach the API server.
func (p *controlPlane) bindAddress() string {
	if p.node == realNode {
		return "0.0.0.0"
	}
	return "127.0.0.1"
}

func (p *controlPlane) controllerManagerFlags() []string {
	flags := []string{
		"--kubeconfig=" + p.file(componentKubeconfig),
		"--leader-elect=false",
		"--secure-port=0",
		"--service-account-private-key-file=" + p.file(serviceAccountKeyFile),
		"--root-ca-file=" + p.file(authorityFile),
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
	}
	if p.node == realNode {
		return append(flags, "--allocate-node-cidrs=true", "--cluster-cidr="+podCIDR, "--node-cidr-mask-size=24")
	}
	// Namespaces are emptied by namespaceEmptier, which runs the same code without its waits.
	return append(flags, "--controllers=*,-namespace-controller")
}

func (p *controlPlane) schedulerFlags() []string {
	return []string{
		"--kubeconfig=" + p.file(componentKubeconfig),
		"--leader-elect=false",
		"--secure-port=0",
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
	}
}

func (p *controlPlane) kwokFlags() []string {
	return []string{
		"--kubeconfig=" + p.file(componentKubeconfig),
		"--config=" + p.file(stagesFile),
		"--manage-all-nodes=false",
		"--manage-nodes-with-annotation-selector=" + kwokNodeAnnotation + "=fake",
		"--node-lease-duration-seconds=40",
		"--cidr=" + podCIDR,
		"--node-ip=" + nodeInternalIP,
		"--node-port=0", // no kubelet API: there are no containers to look into
	}
}

// waitForAPIServer returns once the API server reports that it is ready. It has to be asked: a server that does not serve
// yet has no way to tell.
func waitForAPIServer(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("create client: %w", err)
	}
	const interval, limit = 50 * time.Millisecond, 2 * time.Minute
	err = wait.PollUntilContextTimeout(ctx, interval, limit, true, func(ctx context.Context) (bool, error) {
		status := 0
		// The error says only that there is no answer, or no good one, yet.
		_ = client.RESTClient().Get().AbsPath("/readyz").Do(ctx).StatusCode(&status).Error()
		return status == http.StatusOK, nil
	})
	if err != nil {
		return fmt.Errorf("wait for the API server: %w", err)
	}
	return nil
}

// freePorts returns ports of 127.0.0.1 that are free now, all different.
func freePorts(n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close() // at the end, so that no port is found twice
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
