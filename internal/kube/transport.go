package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// transport counts requests and turns failures to connect, and refused credentials, into [ConnectionError].
type transport struct {
	cluster *Cluster
	next    http.RoundTripper
}

func (c *Cluster) watchTransport(next http.RoundTripper) http.RoundTripper {
	return &transport{cluster: c, next: next}
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	t.cluster.requests.Add(1)
	resp, err := t.answered(req)
	switch {
	case err != nil && req.Context().Err() == nil:
		return nil, t.cluster.connectionError(req, err)
	case err == nil && resp.StatusCode == http.StatusUnauthorized:
		closeErr := resp.Body.Close()
		return nil, &ConnectionError{
			Server: t.cluster.Config.Host,
			Reason: Unauthorized,
			Fix:    "The credentials are wrong or have expired: renew the token or client certificate of this provider or kubeconfig.",
			Err:    errors.Join(errors.New("the API server does not accept the credentials (401 Unauthorized)"), closeErr),
		}
	}
	return resp, err
}

// answered sends a request, and fails when no answer begins in time. How long the answer itself takes is not bounded: that of a watch
// does not end.
func (t *transport) answered(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	timer := time.AfterFunc(t.cluster.patience, func() { cancel(fmt.Errorf("%w in %s", errNoAnswer, t.cluster.patience)) })
	resp, err := t.next.RoundTrip(req.WithContext(ctx))
	timer.Stop()
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errNoAnswer) {
			err = cause
		}
		cancel(nil)
		return nil, err
	}
	resp.Body = &reply{resp.Body, cancel}
	return resp, nil
}

// reply is the body of an answer. The context of its request ends with it.
type reply struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

// Close implements [io.Closer].
func (a *reply) Close() error {
	err := a.ReadCloser.Close()
	a.cancel(nil)
	return err
}

func (c *Cluster) connectionError(req *http.Request, err error) error {
	out := &ConnectionError{Server: c.Config.Host, Reason: Unreachable, Err: err}
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var address *net.AddrError
	switch {
	case errors.As(err, &address), req.URL.Scheme != "http" && req.URL.Scheme != "https":
		out.Reason = BadAddress
		out.Fix = "Correct the host or the server of the kubeconfig: an address is such as https://203.0.113.10:6443."
	case errors.As(err, &hostname):
		out.Reason = BadTLS
		out.Fix = "The server's certificate is for another name: correct the host, or set tls_server_name to a name in the certificate."
	case errors.As(err, &unknown), errors.As(err, &invalid), errors.As(err, &verification):
		out.Reason = BadTLS
		out.Fix = "The certificate authority of the configuration did not sign the server's certificate: correct cluster_ca_certificate or the kubeconfig. The cluster may have been replaced."
	case errors.As(err, &record):
		out.Reason = BadTLS
		out.Fix = "The server does not speak TLS on this port: correct the port or the scheme of the host."
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		out.Err = fmt.Errorf("the connection was broken off: %w", err)
		out.Fix = "Check that the cluster runs, and that nothing between breaks connections off, such as a firewall or a load balancer without a backend."
	case errors.Is(err, errNoAnswer):
		out.Fix = "The API server takes connections and does not answer: see on its machine what it is busy with, or what between here and there swallows answers."
	default:
		out.Fix = "Check that the cluster runs, that the address is right and that a firewall lets this machine through."
	}
	return out
}

// readError gives a refused read its own type. Writes keep the server's words: quota and admission refuse with the same code.
func (c *Cluster) readError(err error) error {
	if !apierrors.IsForbidden(err) {
		return err
	}
	return &ConnectionError{
		Server: c.Config.Host,
		Reason: Forbidden,
		Fix:    "Grant that verb on that resource to the account, see the guide on security for the full role.",
		Err:    err,
	}
}
