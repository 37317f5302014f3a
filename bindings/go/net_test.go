package p2pnet

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

func TestNewsOfTheNet(t *testing.T) {
	node := loopback(t, "127.0.0.2", Set(OptLogLevel, LogDebug))
	select {
	case <-node.Ready():
	case <-time.After(hung):
		t.Fatal("never ready")
	}
	seen := map[Kind]bool{}
	until(t, "READY and a log line", func() bool {
		for len(node.Notices()) > 0 {
			news := <-node.Notices()
			seen[news.Kind] = true
			if news.Kind == EventLog && (news.Text == "" || news.Level < LogError || news.Level > LogDebug) {
				t.Fatalf("%+v", news)
			}
		}
		return seen[EventReady] && seen[EventLog]
	})
	if info := node.Info(); info.NodeType != NodePassive || info.LANIP != "127.0.0.2" {
		t.Fatalf("%+v", info)
	}
	report, err := node.Report()
	must(t, err)
	if !json.Valid([]byte(report)) {
		t.Fatal(report)
	}
	must(t, node.NetworkChanged())
	if LibraryFeatures().Forwarding&ForwardingPCP == 0 {
		t.Fatal(LibraryFeatures())
	}
}

func TestBroadcast(t *testing.T) {
	center := loopback(t, "127.0.0.2")
	ctx := patience(t)
	var here, there []*Conn
	for i := 0; i < 4; i++ {
		atCenter, at := join(t, center, loopback(t, fmt.Sprintf("127.0.0.%d", 3+i)))
		here, there = append(here, atCenter), append(there, at)
	}
	sent, err := center.Broadcast("to all", nil)
	if err != nil || sent != 4 {
		t.Fatal(sent, err)
	}
	sent, err = center.Broadcast("to all but one", here[0])
	if err != nil || sent != 3 {
		t.Fatal(sent, err)
	}
	must(t, here[0].WriteLine(ctx, "to one"))
	for i, conn := range there {
		for _, want := range []string{"to all", map[bool]string{true: "to one", false: "to all but one"}[i == 0]} {
			if line, err := conn.ReadLine(ctx); err != nil || line != want {
				t.Fatal(line, err)
			}
		}
	}
}

func TestConnectionsThatNobodyAcceptsDoNotPileUp(t *testing.T) {
	node := loopback(t, "127.0.0.3", classic())
	ctx := patience(t)
	for i := 0; i < closedBacklog+20; i++ {
		stranger := loopback(t, "127.0.0.2", classic())
		conn, err := stranger.Connect(ctx, fmt.Sprintf("127.0.0.3:%d", node.Info().PassivePort))
		must(t, err)
		if i%2 == 0 {
			must(t, conn.WriteLine(ctx, fmt.Sprint(i)))
		}
		must(t, stranger.Close())
	}
	until(t, "all to be gone", func() bool { return len(node.Conns()) == 0 && node.Stats().Closed == closedBacklog+20 })
	for i := 0; i < closedBacklog+20; i += 2 { // those with a line
		conn, err := node.Accept(ctx)
		must(t, err)
		if line, err := conn.ReadLine(ctx); err != nil || line != fmt.Sprint(i) {
			t.Fatal(line, err)
		}
	}
	soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if conn, err := node.Accept(soon); err == nil {
		t.Fatal("another connection", conn.Peer())
	}
}
