package main

import (
	"errors"
	"net"
	"sort"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

func TestNameServerAnswers(t *testing.T) {
	server, err := startNameServer()
	if err != nil {
		t.Fatalf("Start the name server: %v", err)
	}
	defer func() {
		if err := server.stop(); err != nil {
			t.Errorf("Stop the name server: %v", err)
		}
	}()

	type want struct {
		code    string
		answers []string
	}
	cases := map[string]struct {
		reason string
		name   string
		kind   uint16
		want   want
	}{
		"Address": {
			reason: "The shop of the examples points at the cluster.",
			name:   "shop.acme.example.", kind: dns.TypeA,
			want: want{code: "NOERROR", answers: []string{"A 192.0.2.10"}},
		},
		"CaseIsKept": {
			reason: "Resolvers mix upper and lower case on purpose.",
			name:   "sHOP.Acme.EXAMPLE.", kind: dns.TypeA,
			want: want{code: "NOERROR", answers: []string{"A 192.0.2.10"}},
		},
		"Alias": {
			reason: "An alias comes with what it stands for.",
			name:   "www.acme.example.", kind: dns.TypeA,
			want: want{code: "NOERROR", answers: []string{"A 192.0.2.10", "CNAME shop.acme.example."}},
		},
		"Wildcard": {
			reason: "Stores under a base domain need no record each.",
			name:   "acme.stores.example.test.", kind: dns.TypeA,
			want: want{code: "NOERROR", answers: []string{"A 192.0.2.10"}},
		},
		"NoSuchType": {
			reason: "A name without IPv6 exists all the same.",
			name:   "shop.acme.example.", kind: dns.TypeAAAA,
			want: want{code: "NOERROR"},
		},
		"EmptyName": {
			reason: "A name with names below it exists.",
			name:   "stores.acme.example.", kind: dns.TypeA,
			want: want{code: "NOERROR"},
		},
		"NoSuchName": {
			reason: "A host without a record.",
			name:   "nowhere.acme.example.", kind: dns.TypeA,
			want: want{code: "NXDOMAIN"},
		},
		"Dangling": {
			reason: "An alias of nothing says so, and shows the alias.",
			name:   "dangling.acme.example.", kind: dns.TypeA,
			want: want{code: "NXDOMAIN", answers: []string{"CNAME nowhere.acme.example."}},
		},
		"Loop": {
			reason: "Aliases in a circle end.",
			name:   "loop-a.acme.example.", kind: dns.TypeA,
			want: want{code: "NOERROR", answers: []string{"CNAME loop-a.acme.example.", "CNAME loop-b.acme.example."}},
		},
		"OtherZone": {
			reason: "An authoritative server knows nothing of others' zones.",
			name:   "shop.example.com.", kind: dns.TypeA,
			want: want{code: "REFUSED"},
		},
		"Broken": {
			reason: "A zone that cannot be served.",
			name:   servfailName, kind: dns.TypeA,
			want: want{code: "SERVFAIL"},
		},
	}
	for name, tc := range cases {
		for _, network := range []string{"udp", "tcp"} {
			t.Run(name+"/"+network, func(t *testing.T) {
				client := &dns.Client{Net: network}
				reply, _, err := client.Exchange(new(dns.Msg).SetQuestion(tc.name, tc.kind), server.address)
				if err != nil {
					t.Fatalf("Ask for %s: %v", tc.name, err)
				}
				got := want{code: dns.RcodeToString[reply.Rcode]}
				for _, rr := range reply.Answer {
					got.answers = append(got.answers, dns.TypeToString[rr.Header().Rrtype]+" "+dns.Field(rr, 1))
				}
				sort.Strings(got.answers)
				if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(want{})); diff != "" {
					t.Errorf("%s\n-want +got:\n%s", tc.reason, diff)
				}
				if authoritative := tc.want.code == "NOERROR" || tc.want.code == "NXDOMAIN"; reply.Authoritative != authoritative {
					t.Errorf("The answer's authoritative flag is %t, want %t", reply.Authoritative, authoritative)
				}
			})
		}
	}

	t.Run("Silent", func(t *testing.T) {
		client := &dns.Client{Timeout: 50 * time.Millisecond}
		_, _, err := client.Exchange(new(dns.Msg).SetQuestion(silentName, dns.TypeA), server.address)
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("Asking the silent name ended with %v, want a timeout", err)
		}
	})
}
