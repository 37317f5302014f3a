package p2pnet_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"syscall"
	"time"

	"p2pnet"
)

// node makes a net on this machine. On the internet it would name a rendezvous server instead of an address.
func node(bind string, opts ...p2pnet.Option) *p2pnet.Net {
	n, err := p2pnet.New(
		p2pnet.Set(p2pnet.OptDialect, p2pnet.DialectSecure),
		p2pnet.Set(p2pnet.OptNetType, p2pnet.NetDirect),
		p2pnet.Set(p2pnet.OptNodeType, p2pnet.NodePassive),
		p2pnet.Set(p2pnet.OptPassiveBind, bind),
		p2pnet.Options(opts...),
	)
	if err != nil {
		log.Fatal(err)
	}
	return n
}

// Alice connects to Bob by his locator, one line of text that she has got from him somehow.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	alice, bob := node("127.0.0.4"), node("127.0.0.5")
	defer alice.Close()
	defer bob.Close()

	go func() {
		conn, err := bob.Accept(ctx)
		if err != nil {
			return
		}
		for line := range conn.Lines() {
			conn.WriteLine(ctx, "I heard: "+line)
		}
	}()

	locator, err := bob.UNL()
	if err != nil {
		log.Fatal(err)
	}
	conn, err := alice.ConnectUNL(ctx, locator)
	if err != nil {
		log.Fatal(err)
	}
	if err := conn.WriteLine(ctx, "Sup Bob."); err != nil {
		log.Fatal(err)
	}
	answer, err := conn.ReadLine(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer)
	// Output: I heard: Sup Bob.
}

// A wrong value comes back with what was expected.
func ExampleSet() {
	_, err := p2pnet.New(p2pnet.Set(p2pnet.OptMaxLine, 3))
	fmt.Println(errors.Is(err, p2pnet.ErrRange))
	// Output: true
}

// An error can be asked for the library's code and for the system's.
func ExampleError() {
	alice := node("127.0.0.4")
	defer alice.Close()
	_, err := alice.Connect(context.Background(), "127.0.0.6:1")
	var e *p2pnet.Error
	if errors.As(err, &e) {
		fmt.Println(e.Code == p2pnet.ErrRefused, errors.Is(err, p2pnet.ErrRefused), errors.Is(err, syscall.ECONNREFUSED))
	}
	// Output: true true true
}

// Messages are bytes with boundaries, in order with the lines around them.
func ExampleConn_Receive() {
	ctx := context.Background()
	alice, bob := node("127.0.0.4"), node("127.0.0.5")
	defer alice.Close()
	defer bob.Close()
	to, err := alice.Connect(ctx, fmt.Sprintf("127.0.0.5:%d", bob.Info().PassivePort))
	if err != nil {
		log.Fatal(err)
	}
	from, err := bob.Accept(ctx)
	if err != nil {
		log.Fatal(err)
	}
	to.WriteLine(ctx, "a picture")
	to.Send(ctx, []byte{0xff, 0xd8, '\r', '\n', 0})
	for i := 0; i < 2; i++ {
		packet, err := from.Receive(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%v %q\n", packet.Kind, packet.Data)
	}
	// Output:
	// EventLine "a picture"
	// EventMessage "\xff\xd8\r\n\x00"
}

// TryWriteLine is for programs that would rather leave a line out than wait for a peer that does not read.
func ExampleConn_TryWriteLine() {
	ctx := context.Background()
	alice, bob := node("127.0.0.4"), node("127.0.0.5")
	defer alice.Close()
	defer bob.Close()
	conn, err := alice.Connect(ctx, fmt.Sprintf("127.0.0.5:%d", bob.Info().PassivePort))
	if err != nil {
		log.Fatal(err)
	}
	switch err := conn.TryWriteLine("position 12 7"); {
	case errors.Is(err, p2pnet.ErrWouldBlock): // the next one will do
	case err != nil:
		log.Fatal(err)
	}
	fmt.Println("sent")
	// Output: sent
}
