package p2pnet

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
)

func TestStopWhileBusy(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 3
	}
	for round := 0; round < rounds; round++ {
		a, b, atA, atB := pair(t)
		at := silent(t)
		ctx := patience(t)
		var all sync.WaitGroup
		busy := func(what string, do func() error) {
			all.Add(1)
			go func() {
				defer all.Done()
				for {
					if err := do(); err != nil {
						if !errors.Is(err, net.ErrClosed) {
							t.Errorf("%s: %v", what, err)
						}
						return
					}
				}
			}()
		}
		for i := 0; i < 2; i++ {
			busy("write", func() error { return atA.WriteLine(ctx, "x") })
			busy("send", func() error { return atA.Send(ctx, []byte("x")) })
			busy("connect", func() error { _, err := a.Connect(ctx, at); return err })
			busy("accept", func() error { _, err := a.Accept(ctx); return err })
			busy("look", func() error { _, err := atA.Info(); return err })
			busy("report", func() error { _, err := a.Report(); return err })
			busy("read", func() error { _, err := atA.Receive(ctx); return err })
			busy("messages", func() error { _, err := a.ReceiveDHT(ctx); return err })
		}
		all.Add(1)
		go func() {
			defer all.Done()
			for {
				if _, err := atB.Receive(ctx); err != nil {
					return
				}
			}
		}()
		until(t, "some traffic", func() bool { return b.Stats().LinesIn > 100 })
		closers := 2
		for i := 0; i < closers; i++ {
			all.Add(1)
			go func() {
				defer all.Done()
				must(t, a.Close())
			}()
		}
		all.Wait()
		must(t, b.Close())
	}
}

func TestAThousandNetsLeaveNothingBehind(t *testing.T) {
	thousand := 1000
	if testing.Short() {
		thousand = 100
	}
	round := func(n int) {
		for i := 0; i < n; i++ {
			node, err := New(Set(OptNetType, NetDirect), Set(OptDialect, DialectSecure), Set(OptNodeType, NodePassive),
				Set(OptPassiveBind, "127.0.0.2"), Set(OptNetworkMonitor, false))
			must(t, err)
			if i%100 == 0 { // and some with connections that nobody closes
				other := loopback(t, "127.0.0.3")
				atA, _ := join(t, node, other)
				must(t, atA.WriteLine(patience(t), "nobody reads this"))
				must(t, other.Close())
			}
			must(t, node.Close())
		}
	}
	round(50) // what the runtime and the library make once
	collect()
	fds, goroutines := entries(t, "/proc/self/fd"), runtime.NumGoroutine()
	threads, memory := entries(t, "/proc/self/task"), resident(t)
	round(thousand)
	collect()
	until(t, "descriptors to be closed", func() bool { return entries(t, "/proc/self/fd") <= fds })
	until(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
	// Go keeps the threads it has made; they are few, whatever the nets were. One that has ended is still listed for a moment.
	until(t, "threads to end", func() bool { return entries(t, "/proc/self/task") <= threads+5 })
	if grown := resident(t) - memory; grown > 32<<20 {
		t.Errorf("%d KiB more", grown>>10)
	}
}

func resident(t *testing.T) int {
	var total, pages int
	text, err := os.ReadFile("/proc/self/statm")
	must(t, err)
	_, err = fmt.Sscan(string(text), &total, &pages)
	must(t, err)
	return pages * os.Getpagesize()
}

func TestManyNetsAtOnceNeedNoThreadOfGos(t *testing.T) {
	const many = 100
	loopback(t, "127.0.0.2").Close() // what the first one makes for all
	before := entries(t, "/proc/self/task")
	nets := make([]*Net, many)
	for i := range nets {
		nets[i] = loopback(t, "127.0.0.2")
	}
	if n := entries(t, "/proc/self/task"); n > before+many+10 {
		t.Errorf("%d nets, and %d threads", many, n-before)
	}
	var all sync.WaitGroup
	for _, node := range nets {
		all.Add(1)
		go func(node *Net) {
			defer all.Done()
			node.Close()
		}(node)
	}
	all.Wait()
}

func TestForgottenNetsAndConnectionsAreCollected(t *testing.T) {
	fds := 0
	func() {
		keep := loopback(t, "127.0.0.3")
		join(t, loopback(t, "127.0.0.4"), keep)
		collect()
		fds = entries(t, "/proc/self/fd")
		for i := 0; i < 20; i++ {
			node, err := New(Set(OptNetType, NetDirect), Set(OptDialect, DialectSecure), Set(OptNodeType, NodePassive),
				Set(OptPassiveBind, "127.0.0.2"), Set(OptNetworkMonitor, false))
			must(t, err)
			// A connection with something unread in it, ended, and forgotten with its net.
			atNode, atKeep := join(t, node, keep)
			must(t, atKeep.WriteLine(patience(t), "unread"))
			until(t, "the line", func() bool { return atNode.in.size() == 1 })
			must(t, atKeep.Close())
			<-atNode.Done()
		}
	}()
	until(t, "the collector to close what was forgotten", func() bool {
		collect()
		return entries(t, "/proc/self/fd") <= fds
	})
}

// A net, a connection of it and what was not read are let go in every order, closed before or not.
func TestFinalizersInAnyOrder(t *testing.T) {
	keep := loopback(t, "127.0.0.3")
	ctx := patience(t)
	fds := 0
	round := func(order [3]int, closed bool) {
		node, err := New(Set(OptNetType, NetDirect), Set(OptNodeType, NodePassive), Set(OptPassiveBind, "127.0.0.2"),
			Set(OptNetworkMonitor, false))
		must(t, err)
		conn, other := join(t, node, keep)
		must(t, other.WriteLine(ctx, "unread"))
		in := conn.in
		until(t, "the line", func() bool { return in.size() == 1 })
		if closed {
			must(t, node.Close())
		} else {
			must(t, other.Close())
			<-conn.Done()
		}
		held := [3]any{node, conn, in}
		node, conn, in = nil, nil, nil
		for _, which := range order {
			held[which] = nil
			collect()
		}
		runtime.KeepAlive(&held)
	}
	orders := [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	for i, order := range orders {
		for _, closed := range []bool{false, true} {
			round(order, closed)
		}
		if i == 0 {
			until(t, "the first ones to go", func() bool { collect(); return len(keep.Conns()) == 0 })
			fds = entries(t, "/proc/self/fd")
		}
	}
	until(t, "the collector to close what was forgotten", func() bool {
		collect()
		return entries(t, "/proc/self/fd") <= fds
	})
}

func TestANetIsKeptByItsConnection(t *testing.T) {
	keep := loopback(t, "127.0.0.3")
	conn := func() *Conn {
		node, err := New(Set(OptNetType, NetDirect), Set(OptDialect, DialectSecure), Set(OptPassiveBind, "127.0.0.2"),
			Set(OptNodeType, NodePassive), Set(OptNetworkMonitor, false))
		must(t, err)
		conn, err := node.Connect(patience(t), fmt.Sprintf("127.0.0.3:%d", keep.Info().PassivePort))
		must(t, err)
		return conn
	}()
	ctx := patience(t)
	other, err := keep.Accept(ctx)
	must(t, err)
	for i := 0; i < 10; i++ {
		collect()
		must(t, conn.WriteLine(ctx, "still here"))
		_, err := other.ReadLine(ctx)
		must(t, err)
	}
	must(t, conn.Close())
	<-conn.Done()
}
