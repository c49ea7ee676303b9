package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

const tries = 2

// exchanger sends one query to one server ("ip:port") over "udp" or "tcp". Tests map the servers of a made-up internet to ports
// on loopback with it.
type exchanger interface {
	exchange(ctx context.Context, proto, server string, query *dns.Msg) (*dns.Msg, error)
}

// network is the real exchanger. It uses no EDNS: address records fit into 512 bytes, what does not comes over TCP, and old
// servers refuse what they do not know.
type network struct{ timeout time.Duration }

func (n network) exchange(ctx context.Context, proto, server string, query *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	client := &dns.Client{Net: proto, Timeout: n.timeout}
	conn, err := client.DialContext(ctx, server)
	if err != nil {
		return nil, err
	}
	// The client looks at ctx for its deadline only: a cancelled check must not wait for it.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		stop()
		_ = conn.Close()
	}()
	reply, _, err := client.ExchangeWithConnContext(ctx, query, conn)
	if ctx.Err() != nil && err != nil {
		return nil, ctx.Err()
	}
	return reply, err
}

// query asks one server one question: over UDP, then over TCP when the answer was cut.
func query(ctx context.Context, wire exchanger, server, name string, qtype uint16, recurse bool) (*dns.Msg, error) {
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	q.RecursionDesired = recurse
	reply, err := attempt(ctx, wire, "udp", server, q)
	if err == nil && reply.Truncated {
		if reply, err = attempt(ctx, wire, "tcp", server, q); err != nil {
			return nil, errors.New("cuts its answer over UDP and does not give it over TCP")
		}
	}
	if err != nil {
		return nil, err
	}
	if len(reply.Question) != 1 || canonical(reply.Question[0].Name) != canonical(q.Question[0].Name) || reply.Question[0].Qtype != qtype {
		return nil, errors.New("answers another question")
	}
	return reply, nil
}

func attempt(ctx context.Context, wire exchanger, proto, server string, q *dns.Msg) (reply *dns.Msg, err error) {
	for range tries {
		if reply, err = wire.exchange(ctx, proto, server, q); err == nil || ctx.Err() != nil || !isTimeout(err) {
			break
		}
	}
	if err != nil {
		return nil, unreachable(err)
	}
	return reply, nil
}

// noReplyError tells that no reply came at all, in words that do not change with the operating system.
type noReplyError struct{ text string }

func (e *noReplyError) Error() string { return e.text }

func unreachable(err error) error {
	var dial *net.OpError
	switch {
	case isTimeout(err) || errors.Is(err, context.Canceled):
		return &noReplyError{"does not answer"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &noReplyError{"refuses connections"}
	case errors.As(err, &dial):
		return &noReplyError{"cannot be reached"}
	default:
		return fmt.Errorf("sends no valid reply (%w)", err)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// systemRecursors are the servers that this machine asks.
func systemRecursors() []string {
	config, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil {
		return nil
	}
	servers := make([]string, len(config.Servers))
	for i, s := range config.Servers {
		servers[i] = net.JoinHostPort(s, config.Port)
	}
	return servers
}
