package p2pnet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestLinesChannel(t *testing.T) {
	_, _, atA, atB := pair(t)
	ctx := patience(t)
	lines := atB.Lines()
	if lines != atB.Lines() {
		t.Fatal("another channel")
	}
	for i := 0; i < 100; i++ {
		must(t, atA.WriteLine(ctx, fmt.Sprint(i)))
	}
	must(t, atA.Close())
	n := 0
	for line := range lines {
		if line != fmt.Sprint(n) {
			t.Fatalf("%q is not %d", line, n)
		}
		n++
	}
	if n != 100 || atB.Err() != io.EOF {
		t.Fatal(n, atB.Err())
	}
}

func TestWritersWaitForThePeerAndNothingIsLost(t *testing.T) {
	small := Options(Set(OptSendBuffer, 8192), Set(OptRecvBuffer, 8192), Set(OptResendWindow, 65536))
	_, _, atA, atB := pair(t, small)
	line := strings.Repeat("x", 1000)
	sent := 0
	// The peer does not read: buffers of ours and of the system fill. Whoever has written may only have been slow at it, so that there
	// is room again: then that fills, too.
	write := func(refused error, do func() error) bool {
		err := do()
		if err == nil {
			sent++
		} else if !errors.Is(err, refused) {
			t.Fatal(err)
		}
		return err != nil
	}
	soon := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		return atA.WriteLine(ctx, line)
	}
	atOnce := func() error {
		must(t, atA.SetWriteDeadline(time.Now()))
		defer atA.SetWriteDeadline(time.Time{})
		return atA.WriteLine(context.Background(), line)
	}
	var info ConnInfo
	for full := false; !full || info.UnreadBytes < 8192; {
		full = write(context.DeadlineExceeded, soon) && write(ErrWouldBlock, func() error { return atA.TryWriteLine(line) }) &&
			write(os.ErrDeadlineExceeded, atOnce)
		var err error
		info, err = atB.Info()
		must(t, err)
	}
	if info.UnreadBytes > 8192+1<<20 {
		t.Fatalf("%d bytes wait for the reader", info.UnreadBytes)
	}
	// Four writers wait; they go on as soon as the peer reads.
	ctx := patience(t)
	var writers sync.WaitGroup
	for i := 0; i < 4; i++ {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for i := 0; i < 100; i++ {
				if err := atA.WriteLine(ctx, line); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	for i := 0; i < sent+400; i++ {
		got, err := atB.ReadLine(ctx)
		must(t, err)
		if got != line {
			t.Fatalf("line %d is %d bytes", i, len(got))
		}
	}
	writers.Wait()
}

func TestAConnectionThatIsNotReadSlowsNoOther(t *testing.T) {
	small := Options(Set(OptSendBuffer, 8192), Set(OptRecvBuffer, 8192), Set(OptResendWindow, 65536))
	b := loopback(t, "127.0.0.3", small)
	flooding, talking := loopback(t, "127.0.0.2", small), loopback(t, "127.0.0.4", small)
	flood, unread := join(t, flooding, b)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		err := flood.WriteLine(ctx, strings.Repeat("x", 1000))
		cancel()
		if err != nil {
			break
		}
	}
	talk, read := join(t, talking, b)
	ctx := patience(t)
	for i := 0; i < 100; i++ {
		must(t, talk.WriteLine(ctx, "hello"))
		_, err := read.ReadLine(ctx)
		must(t, err)
	}
	until(t, "something to wait on the connection that is not read", func() bool { return unread.in.size() > 0 })
	must(t, unread.Close()) // which drops what waits
	<-unread.Done()
}

func TestAStreamOfBytesIsANetConn(t *testing.T) {
	for name, opt := range map[string]Option{"secure": nil, "classic": classic()} {
		t.Run(name, func(t *testing.T) {
			_, _, atA, atB := pair(t, opt, Set(OptFraming, FramingRaw), Set(OptSendBuffer, 1<<16))
			data := make([]byte, 8<<20)
			rand.New(rand.NewSource(2)).Read(data)
			wrote := make(chan error, 1)
			go func() {
				_, err := io.Copy(atA, bytes.NewReader(data))
				if err == nil {
					err = atA.Close()
				}
				wrote <- err
			}()
			sum := sha256.New()
			n, err := io.CopyBuffer(struct{ io.Writer }{sum}, struct{ io.Reader }{atB}, make([]byte, 3333))
			must(t, err)
			must(t, <-wrote)
			want := sha256.Sum256(data)
			if n != int64(len(data)) || !bytes.Equal(sum.Sum(nil), want[:]) {
				t.Fatalf("%d of %d bytes came, or others", n, len(data))
			}
			if atB.RemoteAddr().String() != atB.Peer() || atB.RemoteAddr().Network() != "tcp" || atB.LocalAddr().String() == "" {
				t.Fatal(atB.RemoteAddr(), atB.LocalAddr())
			}
		})
	}
}

func TestDeadlinesReachThoseWhoWaitAlready(t *testing.T) {
	_, _, _, atB := pair(t, Set(OptFraming, FramingRaw))
	must(t, atB.SetDeadline(time.Now().Add(-time.Second)))
	_, err := atB.Read(make([]byte, 1))
	var timeout net.Error
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatal(err)
	}
	must(t, atB.SetReadDeadline(time.Now().Add(hung)))
	waiting := make(chan error)
	go func() {
		_, err := atB.Read(make([]byte, 1))
		waiting <- err
	}()
	must(t, atB.SetReadDeadline(time.Now().Add(5*time.Millisecond)))
	if err := <-waiting; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	must(t, atB.SetReadDeadline(time.Time{}))
	go func() {
		_, err := atB.Receive(ctx)
		waiting <- err
	}()
	cancel()
	if err := <-waiting; err != context.Canceled {
		t.Fatal(err)
	}
}

func TestTheSocketCanBeTaken(t *testing.T) {
	_, _, atA, atB := pair(t, classic())
	ctx := patience(t)
	must(t, atA.WriteLine(ctx, "a line first"))
	until(t, "the line to arrive", func() bool { return atB.in.size() == 1 })
	socket, rest, err := atB.TakeSocket()
	must(t, err)
	defer socket.Close()
	if len(rest) != 0 {
		t.Fatalf("%q", rest)
	}
	line, err := atB.ReadLine(ctx)
	if err != nil || line != "a line first" {
		t.Fatal(line, err)
	}
	_, err = socket.Write([]byte("from the socket\r\n"))
	must(t, err)
	line, err = atA.ReadLine(ctx)
	if err != nil || line != "from the socket" {
		t.Fatal(line, err)
	}
	must(t, atA.WriteLine(ctx, "to the socket"))
	buf := make([]byte, 15)
	_, err = io.ReadFull(socket, buf)
	if err != nil || string(buf) != "to the socket\r\n" {
		t.Fatal(string(buf), err)
	}
	<-atB.Done()
	_, _, secure, _ := pair(t)
	_, _, err = secure.TakeSocket()
	expect(t, err, ErrUnsupported)
}
