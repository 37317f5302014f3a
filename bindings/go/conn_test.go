package p2pnet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"strings"
	"sync"
	"testing"
)

func TestLinesBothWays(t *testing.T) {
	for name, opt := range map[string]Option{"secure": nil, "classic": classic()} {
		t.Run(name, func(t *testing.T) {
			_, _, atA, atB := pair(t, opt)
			ctx := patience(t)
			const lines = 2000
			var all sync.WaitGroup
			for _, conns := range [][2]*Conn{{atA, atB}, {atB, atA}} {
				from, to := conns[0], conns[1]
				all.Add(2)
				go func() {
					defer all.Done()
					for i := 0; i < lines; i++ {
						if err := from.WriteLine(ctx, fmt.Sprintf("line %d, grüße", i)); err != nil {
							t.Error(err)
							return
						}
					}
				}()
				go func() {
					defer all.Done()
					for i := 0; i < lines; i++ {
						line, err := to.ReadLine(ctx)
						if want := fmt.Sprintf("line %d, grüße", i); err != nil || line != want {
							t.Errorf("got %q, %v; expected %q", line, err, want)
							return
						}
					}
				}()
			}
			all.Wait()
		})
	}
}

func TestManyLinesAtOnce(t *testing.T) {
	for name, opt := range map[string]Option{"secure": nil, "classic": classic()} {
		t.Run(name, func(t *testing.T) {
			_, _, atA, atB := pair(t, opt, Set(OptSendBuffer, 4096))
			ctx := patience(t)
			lines := make([]string, 3000)
			for i := range lines {
				lines[i] = fmt.Sprintf("line %d, grüße", i)
			}
			sent := make(chan error, 1)
			go func() {
				n, err := atA.WriteLines(ctx, lines)
				if n != len(lines) && err == nil {
					err = fmt.Errorf("%d lines were sent", n)
				}
				sent <- err
			}()
			for _, want := range lines {
				if line, err := atB.ReadLine(ctx); err != nil || line != want {
					t.Fatalf("got %q, %v; expected %q", line, err, want)
				}
			}
			must(t, <-sent)
			n, err := atA.WriteLines(ctx, []string{"good", "", "never"})
			if n != 1 || !errors.Is(err, ErrInvalid) {
				t.Fatalf("%d, %v", n, err)
			}
			line, err := atB.ReadLine(ctx)
			if err != nil || line != "good" {
				t.Fatalf("%q, %v", line, err)
			}
		})
	}
}

func TestAnyByteButALineEndTravelsInALine(t *testing.T) {
	_, _, atA, atB := pair(t)
	ctx := patience(t)
	every := make([]byte, 0, 256)
	for i := 0; i < 256; i++ {
		every = append(every, byte(i))
	}
	must(t, atA.WriteLine(ctx, string(every)))
	line, err := atB.ReadLine(ctx)
	must(t, err)
	if line != string(every) {
		t.Fatalf("%q", line)
	}
}

func TestMessagesKeepTheirBoundariesAndTheirPlaceAmongLines(t *testing.T) {
	_, _, atA, atB := pair(t)
	ctx := patience(t)
	binary := make([]byte, 300000)
	rand.New(rand.NewSource(1)).Read(binary)
	must(t, atA.WriteLine(ctx, "before"))
	must(t, atA.Send(ctx, binary))
	must(t, atA.Send(ctx, nil))
	must(t, atA.WriteLine(ctx, "after"))
	line, err := atB.ReadLine(ctx)
	must(t, err)
	if line != "before" {
		t.Fatal(line)
	}
	for i := 0; i < 2; i++ { // it stays where it is
		if _, err := atB.ReadLine(ctx); !errors.Is(err, ErrIsMessage) {
			t.Fatalf("expected ErrIsMessage, got %v", err)
		}
	}
	for _, want := range []Packet{{EventMessage, binary}, {EventMessage, []byte{}}, {EventLine, []byte("after")}} {
		got, err := atB.Receive(ctx)
		must(t, err)
		if got.Kind != want.Kind || !bytes.Equal(got.Data, want.Data) {
			t.Fatalf("got %v of %d bytes, expected %v of %d", got.Kind, len(got.Data), want.Kind, len(want.Data))
		}
	}
}

func TestWhatCannotBeSentIsSaid(t *testing.T) {
	_, _, atA, _ := pair(t, Set(OptMaxLine, 100), Set(OptMaxMessage, 1000))
	ctx := patience(t)
	expect(t, atA.WriteLine(ctx, ""), ErrInvalid)
	expect(t, atA.WriteLine(ctx, "two\r\nlines"), ErrInvalid)
	expect(t, atA.WriteLine(ctx, strings.Repeat("x", 101)), ErrTooLarge)
	expect(t, atA.Send(ctx, make([]byte, 1001)), ErrTooLarge)
	must(t, atA.WriteLine(ctx, "a \r or a \n alone is an ordinary character"))
	_, err := atA.Read(make([]byte, 10))
	expect(t, err, ErrUnsupported)
	_, err = atA.Write([]byte("x"))
	expect(t, err, ErrUnsupported)
	_, _, atC, _ := pair(t, classic())
	expect(t, atC.Send(ctx, []byte("x")), ErrUnsupported)
}

func TestThePeersCloseIsEOFAfterEveryLine(t *testing.T) {
	_, _, atA, atB := pair(t)
	ctx := patience(t)
	for i := 0; i < 100; i++ {
		must(t, atA.WriteLine(ctx, "x"))
	}
	must(t, atA.Close())
	for i := 0; i < 100; i++ {
		_, err := atB.ReadLine(ctx)
		must(t, err)
	}
	if _, err := atB.ReadLine(ctx); err != io.EOF {
		t.Fatal(err)
	}
	<-atB.Done()
	if atB.Err() != io.EOF {
		t.Fatal(atB.Err())
	}
	expect(t, atB.WriteLine(ctx, "x"), ErrClosed)
	<-atA.Done()
	if atA.Unacked() != 0 {
		t.Fatalf("%d lines may be lost", atA.Unacked())
	}
}

func TestAClosedConnectionIsErrClosedAndNothingElse(t *testing.T) {
	_, b, atA, atB := pair(t)
	ctx := patience(t)
	waiting := make(chan error)
	go func() {
		_, err := atA.ReadLine(ctx)
		waiting <- err
	}()
	must(t, atA.Close())
	expect(t, <-waiting, ErrClosed)
	for i := 0; i < 2; i++ { // before and after its last event
		_, err := atA.ReadLine(ctx)
		expect(t, err, ErrClosed)
		_, err = atA.Receive(ctx)
		expect(t, err, ErrClosed)
		expect(t, atA.WriteLine(ctx, "x"), ErrClosed)
		expect(t, atA.TryWriteLine("x"), ErrClosed)
		err = atA.Send(ctx, []byte("x"))
		expect(t, err, ErrClosed)
		if !errors.Is(err, net.ErrClosed) {
			t.Fatal("not net.ErrClosed")
		}
		_, open := <-atA.Lines()
		if open {
			t.Fatal("a line of a closed connection")
		}
		expect(t, atA.Err(), ErrClosed)
		must(t, atA.Close())
		<-atA.Done()
	}
	_, err := atA.Info()
	expect(t, err, ErrClosed)
	_, _, err = atA.TakeSocket()
	expect(t, err, ErrClosed)
	<-atB.Done()
	if len(b.Conns()) != 0 {
		t.Fatal("it is still listed")
	}
}

func TestAPeerThatIsKilledEndsTheConnection(t *testing.T) {
	at, process := startPeer(t)
	node := loopback(t, "127.0.0.2", Set(OptResumeGraceMS, 0))
	ctx := patience(t)
	conn, err := node.Connect(ctx, at)
	must(t, err)
	must(t, conn.WriteLine(ctx, "hello"))
	line, err := conn.ReadLine(ctx)
	if err != nil || line != "heard hello" {
		t.Fatal(line, err)
	}
	must(t, process.Process.Kill())
	_, err = conn.ReadLine(ctx)
	if err == nil || ctx.Err() != nil {
		t.Fatal("a line of the dead", err)
	}
	<-conn.Done()
	if conn.Err() == nil {
		t.Fatal("no reason")
	}
	expect(t, conn.WriteLine(ctx, "hello?"), ErrClosed)
	if len(node.Conns()) != 0 {
		t.Fatal("it is still listed")
	}
}

func TestConnInfo(t *testing.T) {
	a, b, atA, atB := pair(t)
	info, err := atA.Info()
	must(t, err)
	locator, err := b.UNL()
	must(t, err)
	parsed, err := ParseUNL(locator)
	must(t, err)
	if info.PeerID != parsed.ID || info.Inbound || info.Via != ViaLAN || info.Peer != atA.Peer() || info.Path != PathFirst {
		t.Fatalf("%+v", info)
	}
	info, err = atB.Info()
	must(t, err)
	if !info.Inbound || info.PeerID == "" {
		t.Fatalf("%+v", info)
	}
	if conns := a.Conns(); len(conns) != 1 || conns[0] != atA || atA.ID() == 0 || atA.Request() == 0 || atB.Request() != 0 {
		t.Fatal(conns)
	}
}
