package p2pnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestTheConstantsAreThoseOfTheHeader(t *testing.T) {
	const header = "../../include/p2pnet.h"
	if _, err := os.Stat(header); err != nil {
		t.Skip("skip: not in the source tree of p2pnet")
	}
	out, err := exec.Command("go", "run", "./internal/genconstants", "-check").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	have := fmt.Sprintf("%d.%d.%d", HeaderVersionMajor, HeaderVersionMinor, HeaderVersionPatch)
	if Version() != have {
		t.Fatalf("the library is %s, its header %s", Version(), have)
	}
	if EventLine.String() != "EventLine" || NAT(99).String() != "NAT(99)" || !strings.Contains(ErrNoPath.Error(), "way") {
		t.Fatal(EventLine, NAT(99), ErrNoPath)
	}
}

func TestErrorsOfTheLibraryCarryItsMessage(t *testing.T) {
	_, err := New(Set(OptMaxLine, 3))
	e := expect(t, err, ErrRange)
	if !strings.Contains(e.Message, "16") || e.Error() != "p2pnet: "+e.Message {
		t.Fatal(e)
	}
	_, err = New(Set(OptMaxLine, "long"))
	expect(t, err, ErrUnsupported)
	_, err = New(Set(Opt(9999), 1))
	expect(t, err, ErrUnsupported)
	_, err = New(Set(OptWANIP, "nonsense"))
	expect(t, err, ErrInvalid)
	_, err = New(Set(OptNetwork, "a\x00b"))
	expect(t, err, ErrInvalid)
	_, err = New(Set(OptMaxLine, uint64(1)<<63))
	expect(t, err, ErrRange)
	_, err = New(Set(OptMaxLine, time.Second))
	expect(t, err, ErrInvalid)
	_, err = New(Rendezvous("no port"))
	expect(t, err, ErrInvalid)
	_, err = New(AllowPeer("nobody"))
	expect(t, err, ErrInvalid)
	_, err = New(Set(OptPassiveBind, "203.0.113.1")) // documentation, nobody's address
	e = expect(t, err, ErrIO)
	if e.Errno != syscall.EADDRNOTAVAIL || !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Fatal(e.Errno, e)
	}
	for _, wrong := range []string{"", "nonsense", "p2p3AAAA", "a\x00b"} {
		expect(t, CheckUNL(wrong), ErrInvalid)
		_, err := ParseUNL(wrong)
		expect(t, err, ErrInvalid)
	}
	if errors.Is(err, ErrClosed) || errors.Is(err, net.ErrClosed) {
		t.Fatal("everything is ErrClosed")
	}
}

func TestOptionsTakeGosTypes(t *testing.T) {
	node := loopback(t, "127.0.0.2", Set(OptDedup, true), Set(OptKeepaliveMS, 90*time.Second), Set(OptMaxLine, uint16(100)),
		Set(OptConnectTimeoutMS, time.Nanosecond), nil)
	if node.Info().PassivePort == 0 {
		t.Fatal("no port")
	}
}

func TestRequestsFailWithTheirStory(t *testing.T) {
	node := loopback(t, "127.0.0.2")
	ctx := patience(t)
	listener, err := net.Listen("tcp", "127.0.0.7:0")
	must(t, err)
	nobody := listener.Addr().String()
	listener.Close()
	_, err = node.Connect(ctx, nobody)
	e := expect(t, err, ErrRefused)
	if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(e.Message, "127.0.0.7") || e.Request == 0 {
		t.Fatal(e, e.Errno, e.Request)
	}
	_, err = node.Connect(ctx, "no port")
	expect(t, err, ErrInvalid)
	_, err = node.ConnectUNL(ctx, "nonsense")
	expect(t, err, ErrInvalid)
	_, err = node.Bootstrap(ctx)
	expect(t, err, ErrUnsupported) // a direct net does not
	finds := loopback(t, "127.0.0.2", Set(OptNetType, NetP2P), Rendezvous(nobody))
	_, err = finds.Bootstrap(ctx)
	e = expect(t, err, ErrNoServer)
	if !strings.Contains(e.Message, nobody) {
		t.Fatal(e)
	}
	expect(t, finds.Advertise(ctx), ErrNoServer)
	_, err = node.Explain(12345)
	expect(t, err, ErrNotFound)
	_, err = node.DHTID()
	expect(t, err, ErrUnsupported)
	expect(t, node.SendDHT(ctx, strings.Repeat("a", 40), "x"), ErrUnsupported)
}

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
	a, b := loopback(t, "127.0.0.2", Set(OptUNLConnectTimeoutMS, 3000)), loopback(t, "127.0.0.3")
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

func TestEverythingAfterCloseIsErrClosed(t *testing.T) {
	a, b, atA, atB := pair(t)
	ctx := patience(t)
	must(t, atA.WriteLine(ctx, "never read"))
	until(t, "the line to arrive", func() bool { return atB.in.size() == 1 })
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	must(t, b.Close())
	must(t, b.Close())
	<-b.Done()
	<-atB.Done()
	_, err := b.Accept(ctx)
	expect(t, err, ErrClosed)
	_, err = b.Connect(ctx, "127.0.0.1:1")
	expect(t, err, ErrClosed)
	_, err = b.ConnectUNL(ctx, "x")
	expect(t, err, ErrClosed)
	_, err = b.ConnectUNLClassic(ctx, "x", "y", 0)
	expect(t, err, ErrClosed)
	_, err = b.Bootstrap(ctx)
	expect(t, err, ErrClosed)
	expect(t, b.Advertise(ctx), ErrClosed)
	_, err = b.Broadcast("x", nil)
	expect(t, err, ErrClosed)
	_, err = b.UNL()
	expect(t, err, ErrClosed)
	_, err = b.ConstructUNL("version=3")
	expect(t, err, ErrClosed)
	_, err = b.Report()
	expect(t, err, ErrClosed)
	_, err = b.Explain(1)
	expect(t, err, ErrClosed)
	_, err = b.DHTID()
	expect(t, err, ErrClosed)
	expect(t, b.SendDHT(ctx, "x", "y"), ErrClosed)
	_, err = b.ReceiveDHT(ctx)
	expect(t, err, ErrClosed)
	expect(t, b.NetworkChanged(), ErrClosed)
	expect(t, b.Err(), ErrClosed)
	for range b.Notices() { // closed
	}
	if len(b.Conns()) != 0 || b.Stats() != (Stats{}) || b.Info().PassivePort != 0 {
		t.Fatal("something is left")
	}
	_, err = atB.ReadLine(ctx)
	expect(t, err, ErrClosed)
	expect(t, atB.WriteLine(ctx, "x"), ErrClosed)
	expect(t, atB.TrySend(nil), ErrClosed)
	must(t, atB.Close())
	_ = atB.LocalAddr()
	<-atA.Done()
	_ = a
}

func TestStopWhileBusy(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 3
	}
	for round := 0; round < rounds; round++ {
		a, b, atA, atB := pair(t)
		at := silent(t)
		ctx := patience(t)
		var all sync.WaitGroup
		busy := func(what string, do func() error) {
			all.Add(1)
			go func() {
				defer all.Done()
				for {
					if err := do(); err != nil {
						if !errors.Is(err, net.ErrClosed) {
							t.Errorf("%s: %v", what, err)
						}
						return
					}
				}
			}()
		}
		for i := 0; i < 2; i++ {
			busy("write", func() error { return atA.WriteLine(ctx, "x") })
			busy("send", func() error { return atA.Send(ctx, []byte("x")) })
			busy("connect", func() error { _, err := a.Connect(ctx, at); return err })
			busy("accept", func() error { _, err := a.Accept(ctx); return err })
			busy("look", func() error { _, err := atA.Info(); return err })
			busy("report", func() error { _, err := a.Report(); return err })
			busy("read", func() error { _, err := atA.Receive(ctx); return err })
			busy("messages", func() error { _, err := a.ReceiveDHT(ctx); return err })
		}
		all.Add(1)
		go func() {
			defer all.Done()
			for {
				if _, err := atB.Receive(ctx); err != nil {
					return
				}
			}
		}()
		until(t, "some traffic", func() bool { return b.Stats().LinesIn > 100 })
		closers := 2
		for i := 0; i < closers; i++ {
			all.Add(1)
			go func() {
				defer all.Done()
				must(t, a.Close())
			}()
		}
		all.Wait()
		must(t, b.Close())
	}
}

func TestAThousandNetsLeaveNothingBehind(t *testing.T) {
	thousand := 1000
	if testing.Short() {
		thousand = 100
	}
	round := func(n int) {
		for i := 0; i < n; i++ {
			node, err := New(Set(OptNetType, NetDirect), Set(OptDialect, DialectSecure), Set(OptNodeType, NodePassive),
				Set(OptPassiveBind, "127.0.0.2"), Set(OptNetworkMonitor, false))
			must(t, err)
			if i%100 == 0 { // and some with connections that nobody closes
				other := loopback(t, "127.0.0.3")
				atA, _ := join(t, node, other)
				must(t, atA.WriteLine(patience(t), "nobody reads this"))
				must(t, other.Close())
			}
			must(t, node.Close())
		}
	}
	round(50) // what the runtime and the library make once
	collect()
	fds, goroutines := entries(t, "/proc/self/fd"), runtime.NumGoroutine()
	threads, memory := entries(t, "/proc/self/task"), resident(t)
	round(thousand)
	collect()
	if n := entries(t, "/proc/self/fd"); n > fds {
		t.Errorf("%d descriptors became %d", fds, n)
	}
	until(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
	// Go keeps the threads it has made; they are few, whatever the nets were.
	if n := entries(t, "/proc/self/task"); n > threads+5 {
		t.Errorf("%d threads became %d", threads, n)
	}
	if grown := resident(t) - memory; grown > 32<<20 {
		t.Errorf("%d KiB more", grown>>10)
	}
}

func resident(t *testing.T) int {
	var total, pages int
	text, err := os.ReadFile("/proc/self/statm")
	must(t, err)
	_, err = fmt.Sscan(string(text), &total, &pages)
	must(t, err)
	return pages * os.Getpagesize()
}

func TestManyNetsAtOnceNeedNoThreadOfGos(t *testing.T) {
	const many = 100
	loopback(t, "127.0.0.2").Close() // what the first one makes for all
	before := entries(t, "/proc/self/task")
	nets := make([]*Net, many)
	for i := range nets {
		nets[i] = loopback(t, "127.0.0.2")
	}
	if n := entries(t, "/proc/self/task"); n > before+many+10 {
		t.Errorf("%d nets, and %d threads", many, n-before)
	}
	var all sync.WaitGroup
	for _, node := range nets {
		all.Add(1)
		go func(node *Net) {
			defer all.Done()
			node.Close()
		}(node)
	}
	all.Wait()
}

func TestForgottenNetsAndConnectionsAreCollected(t *testing.T) {
	fds := 0
	func() {
		keep := loopback(t, "127.0.0.3")
		join(t, loopback(t, "127.0.0.4"), keep)
		collect()
		fds = entries(t, "/proc/self/fd")
		for i := 0; i < 20; i++ {
			node, err := New(Set(OptNetType, NetDirect), Set(OptDialect, DialectSecure), Set(OptNodeType, NodePassive),
				Set(OptPassiveBind, "127.0.0.2"), Set(OptNetworkMonitor, false))
			must(t, err)
			// A connection with something unread in it, ended, and forgotten with its net.
			atNode, atKeep := join(t, node, keep)
			must(t, atKeep.WriteLine(patience(t), "unread"))
			until(t, "the line", func() bool { return atNode.in.size() == 1 })
			must(t, atKeep.Close())
			<-atNode.Done()
		}
	}()
	until(t, "the collector to close what was forgotten", func() bool {
		collect()
		return entries(t, "/proc/self/fd") <= fds
	})
}

func TestANetIsKeptByItsConnection(t *testing.T) {
	keep := loopback(t, "127.0.0.3")
	conn := func() *Conn {
		node, err := New(Set(OptNetType, NetDirect), Set(OptDialect, DialectSecure), Set(OptPassiveBind, "127.0.0.2"),
			Set(OptNodeType, NodePassive), Set(OptNetworkMonitor, false))
		must(t, err)
		conn, err := node.Connect(patience(t), fmt.Sprintf("127.0.0.3:%d", keep.Info().PassivePort))
		must(t, err)
		return conn
	}()
	ctx := patience(t)
	other, err := keep.Accept(ctx)
	must(t, err)
	for i := 0; i < 10; i++ {
		collect()
		must(t, conn.WriteLine(ctx, "still here"))
		_, err := other.ReadLine(ctx)
		must(t, err)
	}
	must(t, conn.Close())
	<-conn.Done()
}

func TestConnectionsThatNobodyAcceptsDoNotPileUp(t *testing.T) {
	node := loopback(t, "127.0.0.3", classic())
	ctx := patience(t)
	for i := 0; i < closedBacklog+20; i++ {
		stranger := loopback(t, "127.0.0.2", classic())
		conn, err := stranger.Connect(ctx, fmt.Sprintf("127.0.0.3:%d", node.Info().PassivePort))
		must(t, err)
		if i%2 == 0 {
			must(t, conn.WriteLine(ctx, fmt.Sprint(i)))
		}
		must(t, stranger.Close())
	}
	until(t, "all to be gone", func() bool { return len(node.Conns()) == 0 && node.Stats().Closed == closedBacklog+20 })
	first := ""
	n := 0
	for {
		soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		conn, err := node.Accept(soon)
		cancel()
		if err != nil {
			break
		}
		line, err := conn.ReadLine(ctx)
		must(t, err)
		if first == "" {
			first = line
		}
		n++
	}
	if want := (closedBacklog + 20) / 2; n != want || first != "0" {
		t.Fatalf("%d connections with a line, from %s on; expected %d", n, first, want)
	}
}

func TestNewsOfTheNet(t *testing.T) {
	node := loopback(t, "127.0.0.2", Set(OptLogLevel, LogDebug))
	select {
	case <-node.Ready():
	case <-time.After(hung):
		t.Fatal("never ready")
	}
	seen := map[Kind]bool{}
	until(t, "READY and a log line", func() bool {
		for len(node.Notices()) > 0 {
			news := <-node.Notices()
			seen[news.Kind] = true
			if news.Kind == EventLog && (news.Text == "" || news.Level < LogError || news.Level > LogDebug) {
				t.Fatalf("%+v", news)
			}
		}
		return seen[EventReady] && seen[EventLog]
	})
	if info := node.Info(); info.NodeType != NodePassive || info.LANIP != "127.0.0.2" {
		t.Fatalf("%+v", info)
	}
	report, err := node.Report()
	must(t, err)
	if !json.Valid([]byte(report)) {
		t.Fatal(report)
	}
	must(t, node.NetworkChanged())
	if LibraryFeatures().Forwarding&ForwardingPCP == 0 {
		t.Fatal(LibraryFeatures())
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

func TestBroadcast(t *testing.T) {
	center := loopback(t, "127.0.0.2")
	ctx := patience(t)
	var here, there []*Conn
	for i := 0; i < 4; i++ {
		atCenter, at := join(t, center, loopback(t, fmt.Sprintf("127.0.0.%d", 3+i)))
		here, there = append(here, atCenter), append(there, at)
	}
	sent, err := center.Broadcast("to all", nil)
	if err != nil || sent != 4 {
		t.Fatal(sent, err)
	}
	sent, err = center.Broadcast("to all but one", here[0])
	if err != nil || sent != 3 {
		t.Fatal(sent, err)
	}
	must(t, here[0].WriteLine(ctx, "to one"))
	for i, conn := range there {
		for _, want := range []string{"to all", map[bool]string{true: "to one", false: "to all but one"}[i == 0]} {
			if line, err := conn.ReadLine(ctx); err != nil || line != want {
				t.Fatal(line, err)
			}
		}
	}
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

func TestMessagesByAMailbox(t *testing.T) {
	at := server(t, "P2PNET_TEST_MAILBOX")
	if !LibraryFeatures().HTTP {
		t.Skip("skip: this build of the library has no HTTP")
	}
	ctx := patience(t)
	alice := loopback(t, "127.0.0.12", Server(ServerDHT, at))
	bob := loopback(t, "127.0.0.13", Server(ServerDHT, at))
	to, err := bob.DHTID()
	must(t, err)
	must(t, alice.SendDHT(ctx, to, "a letter"))
	message, err := bob.ReceiveDHT(ctx)
	must(t, err)
	if message.Text != "a letter" {
		t.Fatalf("%+v", message)
	}
	expect(t, alice.SendDHT(ctx, "nobody", "x"), ErrInvalid)
	expect(t, alice.SendDHT(ctx, to, ""), ErrInvalid)
}
