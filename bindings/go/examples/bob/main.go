// Bob is the other of two programs that find each other: he finds Alice and says "test" to her. Read alice first.
//
//	bob [-bind ADDR] [-port N] [-server HOST:PORT] [-lines N]
//
// He ends when N answers have come, or at Ctrl-C.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"p2pnet"
)

// The guide says "test" every second; we are in more of a hurry.
const pace = 500 * time.Millisecond

func main() {
	bind := flag.String("bind", "127.0.0.3", "address to listen on")
	port := flag.Int("port", 44445, "port to listen on, 0 = any")
	server := flag.String("server", "127.0.0.1:8000", "rendezvous server")
	lines := flag.Int("lines", 0, "end after so many answers, 0 = never")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	answers, err := run(ctx, *bind, *port, *server, *lines)
	if err != nil {
		fmt.Fprintf(os.Stderr, "bob: %v\n", err)
		os.Exit(1)
	}
	if answers < *lines {
		os.Exit(1)
	}
	fmt.Printf("done: %d answers received\n", answers)
}

func run(ctx context.Context, bind string, port int, server string, lines int) (answers int, err error) {
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
	defer node.Close()
	fmt.Printf("listening on %s:%d\n", bind, node.Info().PassivePort)

	known, err := node.Bootstrap(ctx)
	if err != nil {
		return 0, err
	}
	if known == 0 { // while it has too few connections the net asks again by itself, first after 5 s
		fmt.Printf("nobody is listed at %s yet; asking again soon\n", server)
	} else {
		fmt.Printf("%d other nodes known at %s\n", known, server)
	}

	// Whom the server named comes from Accept, as those that connect to us do. One goroutine per connection hands
	// lines to the loop below.
	heard := make(chan string)
	go func() {
		for {
			conn, err := node.Accept(ctx)
			if err != nil {
				return
			}
			fmt.Printf("connected: %s\n", conn.Peer())
			go func() {
				for line := range conn.Lines() {
					select {
					case heard <- line:
					case <-node.Done():
						return
					}
				}
				fmt.Printf("gone: %s (%v)\n", conn.Peer(), conn.Err())
			}()
		}
	}()

	tick := time.NewTicker(pace)
	defer tick.Stop()
	for lines == 0 || answers < lines {
		select {
		case line := <-heard:
			fmt.Printf("< %q\n", line)
			answers++
		case <-tick.C:
			// To all connections; a peer that does not read gets one less.
			if sent, _ := node.Broadcast("test", nil); sent > 0 {
				fmt.Println("> test")
			}
		case <-ctx.Done():
			return answers, nil
		}
	}
	return answers, nil
}
