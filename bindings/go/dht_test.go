package p2pnet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

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

// carry is the program's own DHT of a test: it takes what the nets give and hands it to the one it is for.
func carry(t *testing.T, nets map[string]*Net) {
	for from, node := range nets {
		go func(from string, node *Net) {
			for {
				errand, err := node.CarryDHT(context.Background())
				if err != nil {
					if !errors.Is(err, ErrClosed) {
						t.Error(err)
					}
					return
				}
				if err := nets[errand.To].DeliverDHT(from, errand.Text); err != nil && !errors.Is(err, ErrClosed) {
					t.Error(err)
				}
			}
		}(from, node)
	}
}

func TestMessagesByADHTOfTheProgramsOwn(t *testing.T) {
	ctx := patience(t)
	ids := [2]string{strings.Repeat("aa", 20), strings.Repeat("bb", 20)}
	a, b := loopback(t, "127.0.0.2", OwnDHT(ids[0])), loopback(t, "127.0.0.3", OwnDHT(ids[1]))
	carry(t, map[string]*Net{ids[0]: a, ids[1]: b})
	for i, node := range []*Net{a, b} {
		if id, err := node.DHTID(); err != nil || id != ids[i] {
			t.Fatal(id, err)
		}
	}
	for i := 0; i < 3; i++ {
		text := fmt.Sprintf("letter %d: 🦀", i)
		must(t, a.SendDHT(ctx, ids[1], text))
		message, err := b.ReceiveDHT(ctx)
		must(t, err)
		if message != (DHTMessage{From: ids[0], Text: text}) {
			t.Fatalf("%+v", message)
		}
	}
}

// In the classic dialect nodes ask each other over the DHT to connect: these messages, too, are the program's to carry.
func TestALocatorLeadsToAPeerByADHTOfTheProgramsOwn(t *testing.T) {
	ctx := patience(t)
	ids := [2]string{strings.Repeat("aa", 20), strings.Repeat("bb", 20)}
	a := loopback(t, "127.0.0.2", classic(), OwnDHT(ids[0]))
	b := loopback(t, "127.0.0.3", classic(), OwnDHT(ids[1]), Set(OptNodeType, NodeActive))
	carry(t, map[string]*Net{ids[0]: a, ids[1]: b})
	locator, err := b.UNL()
	must(t, err)
	conn, err := a.ConnectUNL(ctx, locator)
	must(t, err)
	other, err := b.Accept(ctx)
	must(t, err)
	must(t, conn.WriteLine(ctx, "called back"))
	if line, err := other.ReadLine(ctx); err != nil || line != "called back" {
		t.Fatal(line, err)
	}
}

func TestWhatADHTOfTheProgramsOwnRefuses(t *testing.T) {
	ctx := patience(t)
	for _, wrong := range []string{"short", strings.Repeat("x", 40), "a\x00b"} {
		_, err := New(OwnDHT(wrong))
		expect(t, err, ErrInvalid)
	}
	_, err := New(OwnDHT(""), Server(ServerDHT, "127.0.0.1:1"))
	expect(t, err, ErrInvalid) // one of both
	node := loopback(t, "127.0.0.2", OwnDHT(""))
	id, err := node.DHTID()
	must(t, err)
	if len(id) != 40 {
		t.Fatal(id)
	}
	expect(t, node.DeliverDHT("a\x00b", "x"), ErrInvalid)
	expect(t, node.DeliverDHT("", ""), ErrInvalid)
	expect(t, node.DeliverDHT("", strings.Repeat("x", 64<<10+1)), ErrTooLarge)
	expect(t, node.DeliverDHT(strings.Repeat("x", 1000), "x"), ErrTooLarge)
	// Nobody carries: it is with the program all the same, and the oldest go first.
	for i := 0; i < messageRoom+10; i++ {
		must(t, node.SendDHT(ctx, id, fmt.Sprint(i)))
	}
	errand, err := node.CarryDHT(ctx)
	must(t, err)
	if errand != (DHTErrand{To: id, Text: "10"}) {
		t.Fatalf("%+v", errand)
	}
	soon, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := node.CarryDHT(soon); err != context.Canceled {
		t.Fatal(err)
	}
	without := loopback(t, "127.0.0.3")
	expect(t, without.DeliverDHT("", "x"), ErrUnsupported)
}
