// Chat is a chat that floods: what one says reaches everybody, also over others.
//
// Nodes that know each other form a mesh, found through a rendezvous server or named with -connect. Each passes on what
// it hears; OptDedup drops what comes back, so nothing goes round in circles. Three in a row; what cem says reaches ann,
// too, over ben:
//
//	chat -name ann -port 5000
//	chat -name ben -bind 127.0.0.2 -port 5000 -connect 127.0.0.1:5000
//	chat -name cem -bind 127.0.0.3 -connect 127.0.0.2:5000 -say hello -exit-after 1
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"

	"p2pnet"
)

var (
	name      = flag.String("name", "me", "what to be called")
	bind      = flag.String("bind", "127.0.0.1", "address to listen on")
	port      = flag.Int("port", 0, "port to listen on, 0 = any")
	server    = flag.String("server", "", "rendezvous server, HOST:PORT")
	connectTo = flag.String("connect", "", "a node to connect to, HOST:PORT")
	words     = flag.String("say", "", "say this to everybody who comes")
	exitAfter = flag.Int64("exit-after", 0, "end after so many lines heard, 0 = never")
)

type chat struct {
	node        *p2pnet.Net
	said, heard int64
	enough      context.CancelFunc
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "chat: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	opts := []p2pnet.Option{
		p2pnet.Set(p2pnet.OptDialect, p2pnet.DialectClassic),
		p2pnet.Set(p2pnet.OptNodeType, p2pnet.NodePassive),
		p2pnet.Set(p2pnet.OptPassiveBind, *bind),
		p2pnet.Set(p2pnet.OptPassivePort, *port),
		p2pnet.Set(p2pnet.OptDedup, true),
	}
	if *server != "" {
		opts = append(opts, p2pnet.Rendezvous(*server))
	}
	node, err := p2pnet.New(opts...)
	if err != nil {
		return err
	}
	defer node.Close()
	fmt.Printf("listening on %s:%d\n", *bind, node.Info().PassivePort)
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	c := &chat{node: node, enough: enough}
	if *server != "" {
		if _, err := node.Bootstrap(ctx); err != nil {
			return err
		}
		if err := node.Advertise(ctx); err != nil {
			return err
		}
	}
	if *connectTo != "" {
		conn, err := node.Connect(ctx, *connectTo)
		if err != nil {
			return err
		}
		go c.hear(conn)
	}
	go c.readStdin()
	for {
		conn, err := node.Accept(ctx)
		if err != nil { // enough was heard, or Ctrl-C
			return nil
		}
		go c.hear(conn)
	}
}

// hear prints what comes on a connection, and passes it on to all others.
func (c *chat) hear(conn *p2pnet.Conn) {
	fmt.Printf("* %s is connected\n", conn.Peer())
	if *words != "" {
		c.say(*words)
	}
	for line := range conn.Lines() {
		fmt.Println(strconv.QuoteToGraphic(line)) // it may hold anything: control characters would reach the terminal
		c.node.Broadcast(line, conn)
		if n := atomic.AddInt64(&c.heard, 1); *exitAfter > 0 && n >= *exitAfter {
			c.enough()
		}
	}
	fmt.Printf("* %s is gone: %v\n", conn.Peer(), conn.Err())
}

// say tells everybody. The number makes the line one of its kind: without it, a second "hello" would count as seen.
func (c *chat) say(text string) {
	line := fmt.Sprintf("%s %d: %s", *name, atomic.AddInt64(&c.said, 1), text)
	if _, err := c.node.Broadcast(line, nil); err != nil { // an everyday thing: somebody's buffer is full
		fmt.Fprintf(os.Stderr, "chat: not sent to everybody: %v\n", err)
	}
}

func (c *chat) readStdin() {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() != "" {
			c.say(in.Text())
		}
	}
}
