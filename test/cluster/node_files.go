package main

// realNodeName is the node that a real kubelet has to register as: its certificate says so.
const realNodeName = "real-1"

// writeNodeFiles gives a real node what it needs to join, beside the kubeconfig of the administrator: kubelet.kubeconfig and
// kube-proxy.kubeconfig with the rights that Kubernetes gives to each, and ca.crt, by which the kubelet knows the API server.
func (p *controlPlane) writeNodeFiles(dir string) error {
	kubelet, err := p.kubeconfig("system:node:"+realNodeName, "system:nodes")
	if err != nil {
		return err
	}
	proxy, err := p.kubeconfig("system:kube-proxy", "system:node-proxier")
	if err != nil {
		return err
	}
	return writePrivate(dir, map[string][]byte{
		"kubelet.kubeconfig":    kubelet,
		"kube-proxy.kubeconfig": proxy,
		authorityFile:           p.ca.pem,
	})
}
