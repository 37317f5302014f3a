package p2pnet

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

func TestConnectByLocatorAndItsStory(t *testing.T) {
	for name, opt := range map[string]Option{"secure": nil, "classic": classic()} {
		t.Run(name, func(t *testing.T) {
			a, b := loopback(t, "127.0.0.2", opt), loopback(t, "127.0.0.3", opt)
			ctx := patience(t)
			locator, err := b.UNL()
			must(t, err)
			must(t, CheckUNL(locator))
			conn, err := a.ConnectUNL(ctx, locator)
			must(t, err)
			story, err := a.Explain(conn.Request())
			must(t, err)
			if !json.Valid([]byte(story)) {
				t.Fatal(story)
			}
			if name == "secure" { // two nodes have one connection
				again, err := a.ConnectUNL(ctx, locator)
				must(t, err)
				if again != conn {
					t.Fatal("another connection")
				}
			}
		})
	}
}

func TestALocatorThatLeadsNowhereSaysWhy(t *testing.T) {
	a, b := loopback(t, "127.0.0.2", Set(OptUNLConnectTimeoutMS, hung)), loopback(t, "127.0.0.3")
	locator, err := b.UNL()
	must(t, err)
	must(t, b.Close())
	_, err = a.ConnectUNL(patience(t), locator)
	e := expect(t, err, ErrNoPath)
	story, err := a.Explain(e.Request)
	must(t, err)
	if !json.Valid([]byte(story)) {
		t.Fatal(story)
	}
}

// silent accepts connections and never says anything.
func silent(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.7:0")
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}

func TestARequestCanBeCancelled(t *testing.T) {
	node := loopback(t, "127.0.0.2", Set(OptHandshakeTimeoutMS, hung))
	ctx, cancel := context.WithCancel(patience(t))
	done := make(chan error)
	at := silent(t)
	go func() {
		_, err := node.Connect(ctx, at)
		done <- err
	}()
	until(t, "the request", func() bool {
		node.core.requestMu.Lock()
		defer node.core.requestMu.Unlock()
		return len(node.core.requests) == 1
	})
	cancel()
	err := <-done
	expect(t, err, ErrCanceled)
	if !errors.Is(err, context.Canceled) {
		t.Fatal("not the context's error")
	}
	if _, err := node.Connect(ctx, at); err != context.Canceled {
		t.Fatal("begun though the context was done", err)
	}
	if _, err := node.Accept(ctx); err != context.Canceled {
		t.Fatal(err)
	}
	late, stop := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer stop()
	if _, err := node.Connect(late, at); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestLocators(t *testing.T) {
	node := loopback(t, "127.0.0.2")
	locator, err := node.ConstructUNL("candidate=mapped 203.0.113.7:6881")
	must(t, err)
	info, err := ParseUNL(locator)
	must(t, err)
	if info.Version != 3 || len(info.ID) != 43 || info.Expires.Before(time.Now()) {
		t.Fatalf("%+v", info)
	}
	found := false
	for _, c := range info.Candidates {
		found = found || c == Candidate{CandidateMapped, "203.0.113.7:6881"}
	}
	if !found {
		t.Fatalf("%+v", info.Candidates)
	}
	_, err = node.ConstructUNL("no such thing")
	expect(t, err, ErrInvalid)
	_, err = node.ConstructUNL("a\x00b")
	expect(t, err, ErrInvalid)
}

// The server of tests/bindings/go.py.
func server(t *testing.T, name string) string {
	at := os.Getenv(name)
	if at == "" {
		t.Skipf("skip: %s is not set: no rendezvous server (tests/bindings/go.py starts one)", name)
	}
	return at
}

func TestNodesFindEachOtherByAServer(t *testing.T) {
	at := server(t, "P2PNET_TEST_SERVER")
	ctx := patience(t)
	node := func(bind string) *Net { return loopback(t, bind, Set(OptNetType, NetP2P), Rendezvous(at)) }
	alice, bob := node("127.0.0.12"), node("127.0.0.13")
	must(t, alice.Advertise(ctx))
	known, err := bob.Bootstrap(ctx)
	must(t, err)
	if known != 1 {
		t.Fatal(known)
	}
	atBob, err := bob.Accept(ctx)
	must(t, err)
	atAlice, err := alice.Accept(ctx)
	must(t, err)
	must(t, atBob.WriteLine(ctx, "test"))
	if line, err := atAlice.ReadLine(ctx); err != nil || line != "test" {
		t.Fatal(line, err)
	}
}
