package p2pnet

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
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
	_, err = b.CarryDHT(ctx)
	expect(t, err, ErrClosed)
	expect(t, b.DeliverDHT("", "x"), ErrClosed)
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
