// Direct lets Alice connect to Bob by his locator and say "Sup Bob.": the direct connect of PyP2P's guide.
//
// A locator (UNL, "universal node locator") is one line of text that says who a node is and how it can be reached.
// ConnectUNL takes it and does whatever it takes to get there. Here both nets are in one program on one machine; in
// life Bob's locator travels by chat, e-mail or a lobby server.
//
//	direct [-classic] [-explain]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"p2pnet"
)

func main() {
	classic := flag.Bool("classic", false, "speak PyP2P's protocol instead of the encrypted one")
	explain := flag.Bool("explain", false, "tell what was tried, as JSON")
	flag.Parse()
	if err := run(*classic, *explain); err != nil {
		fmt.Fprintf(os.Stderr, "direct: %v\n", err)
		os.Exit(1)
	}
	fmt.Println("done")
}

func run(classic, explain bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	alice, err := start("127.0.0.4", classic)
	if err != nil {
		return err
	}
	defer alice.Close()
	bob, err := start("127.0.0.5", classic)
	if err != nil {
		return err
	}
	defer bob.Close()
	locator, err := bob.UNL()
	if err != nil {
		return err
	}
	fmt.Printf("Bob's locator: %s\n", locator)

	answered := make(chan error, 1)
	go func() { answered <- answer(ctx, bob) }()

	conn, err := alice.ConnectUNL(ctx, locator)
	if err != nil {
		return fmt.Errorf("Alice has not reached Bob: %w", err) // which ways were tried, and why they failed
	}
	fmt.Printf("Alice has connected to Bob at %s.\n", conn.Peer())
	if err := conn.WriteLine(ctx, "Sup Bob."); err != nil {
		return err
	}
	line, err := conn.ReadLine(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("Alice hears: %s\n", line)
	if explain {
		story, err := alice.Explain(conn.Request())
		if err != nil {
			return err
		}
		fmt.Println(story)
	}
	return <-answered
}

func answer(ctx context.Context, bob *p2pnet.Net) error {
	conn, err := bob.Accept(ctx)
	if err != nil {
		return err
	}
	line, err := conn.ReadLine(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("Bob hears: %s\n", line)
	return conn.WriteLine(ctx, "Not much, Alice.")
}

// start makes a net for chosen peers, at an address of its own on this machine.
func start(bind string, classic bool) (*p2pnet.Net, error) {
	dialect := p2pnet.DialectSecure
	if classic {
		dialect = p2pnet.DialectClassic
	}
	return p2pnet.New(
		p2pnet.Set(p2pnet.OptDialect, dialect),
		p2pnet.Set(p2pnet.OptNetType, p2pnet.NetDirect),
		p2pnet.Set(p2pnet.OptNodeType, p2pnet.NodePassive),
		p2pnet.Set(p2pnet.OptPassiveBind, bind),
	)
}
