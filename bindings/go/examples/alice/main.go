// Alice is one of two programs that find each other: she waits to be found, and answers. Bob finds her.
//
// This is the first example of PyP2P's guide. A net does not connect to its own address, so two nodes on one machine
// need an address each; on Linux all of 127.x.x.x is this machine.
//
//	p2p-rendezvous &
//	alice [-bind ADDR] [-port N] [-server HOST:PORT] [-lines N]
//
// She ends when N lines have come, or at Ctrl-C.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"

	"p2pnet"
)

func main() {
	bind := flag.String("bind", "127.0.0.2", "address to listen on")
	port := flag.Int("port", 44444, "port to listen on, 0 = any")
	server := flag.String("server", "127.0.0.1:8000", "rendezvous server")
	lines := flag.Int64("lines", 0, "end after so many lines, 0 = never")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	received, err := run(ctx, *bind, *port, *server, *lines)
	if err != nil {
		fmt.Fprintf(os.Stderr, "alice: %v\n", err) // what failed, on what, why, what to do
		os.Exit(1)
	}
	if received < *lines {
		os.Exit(1)
	}
	fmt.Printf("done: %d lines received\n", received)
}

func run(ctx context.Context, bind string, port int, server string, lines int64) (int64, error) {
	node, err := p2pnet.New(
		p2pnet.Set(p2pnet.OptDialect, p2pnet.DialectClassic),
		p2pnet.Set(p2pnet.OptNodeType, p2pnet.NodePassive),
		p2pnet.Set(p2pnet.OptPassiveBind, bind),
		p2pnet.Set(p2pnet.OptPassivePort, port),
		p2pnet.Rendezvous(server),
	)
	if err != nil {
		return 0, err
	}
	defer node.Close() // sends what is queued, takes us off the server's list
	fmt.Printf("listening on %s:%d\n", bind, node.Info().PassivePort)

	known, err := node.Bootstrap(ctx)
	if err != nil {
		return 0, err
	}
	fmt.Printf("%d other nodes known at %s\n", known, server)
	if err := node.Advertise(ctx); err != nil {
		return 0, err
	}
	fmt.Printf("listed at %s\n", server)

	ctx, enough := context.WithCancel(ctx)
	defer enough()
	var received int64
	for {
		conn, err := node.Accept(ctx)
		if err != nil { // enough, or Ctrl-C
			return atomic.LoadInt64(&received), nil
		}
		fmt.Printf("connected: %s\n", conn.Peer())
		go func() {
			for line := range conn.Lines() {
				fmt.Printf("< %q\n", line) // quoted: a line may hold anything, and control characters reach the terminal
				if err := conn.TryWriteLine("got it"); err == nil {
					fmt.Println("> got it")
				} // an answer less, to a peer that does not read, does no harm
				if n := atomic.AddInt64(&received, 1); lines > 0 && n >= lines {
					enough()
				}
			}
			fmt.Printf("gone: %s (%v)\n", conn.Peer(), conn.Err())
		}()
	}
}
