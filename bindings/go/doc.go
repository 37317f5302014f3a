// Package p2pnet finds other copies of a program on the internet, connects it to them through the NATs in between, and
// exchanges lines of text and binary messages with them. It is the Go side of the C library libp2pnet.
//
//	node, err := p2pnet.New(
//		p2pnet.Set(p2pnet.OptDialect, p2pnet.DialectSecure),
//		p2pnet.Rendezvous("rendezvous.example.org:8000"),
//	)
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer node.Close()
//	conn, err := node.ConnectUNL(ctx, locator) // by whatever way gets through
//	if err != nil {
//		log.Fatal(err) // which ways were tried, and why they failed
//	}
//	conn.WriteLine(ctx, "hello")
//	answer, err := conn.ReadLine(ctx)
//
// # Nets
//
// A [Net] is one node. [New] makes and starts it; options are set with [Set], servers named with [Rendezvous] and
// [Server]. [Net.Connect] and [Net.ConnectUNL] connect to a chosen peer; [Net.Bootstrap] and [Net.Advertise] find
// others and let others find this node. Connections that nobody here asked for by name (a peer's, and those that
// bootstrapping makes) come from [Net.Accept]. [Net.Close] ends all of it.
//
// # Connections
//
// A [Conn] carries lines in both directions, and in the secure dialect messages ([Conn.Send]) between them. Reading:
// [Conn.ReadLine], or the channel of [Conn.Lines], or [Conn.Receive] where lines and messages are mixed. Writing blocks
// while the peer does not read ([Conn.WriteLine], [Conn.Send]); [Conn.TryWriteLine] and [Conn.TrySend] return
// [ErrWouldBlock] instead. With [FramingRaw] a Conn is a [net.Conn]: a stream of bytes, with deadlines.
//
// Nothing that came in is dropped. A connection that the program does not read is slowed by TCP once OptRecvBuffer
// bytes wait, and only that one.
//
// # Errors
//
// What the library says comes as an [*Error]: its Code, and a sentence that tells what failed, on what, why, and often
// what to do. A [Code] is an error itself, for errors.Is:
//
//	if errors.Is(err, p2pnet.ErrNoPath) { ... }
//
// The end of a connection is io.EOF if the peer closed it; whatever is used after it was closed here gives an error that
// is [ErrClosed], and [net.ErrClosed].
//
// # Goroutines and threads
//
// Everything may be called from any goroutine at any time, closed or not. A net has one goroutine of this package, which
// sleeps in the Go runtime's poller and occupies no thread, and one thread of the library. Nothing of the library calls
// Go code. A [Net] that is no longer referenced, and has no open connection the program got hold of, is closed by the
// garbage collector; memory of connections that the program has forgotten is given back by it, in any order.
package p2pnet
