package p2pnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

// hung is how long a test may wait; nothing is decided by it but that something hangs.
const hung = 2 * time.Minute

func patience(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), hung)
	t.Cleanup(cancel)
	return ctx
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// until waits for a condition that nothing tells of.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for begun := time.Now(); !condition(); time.Sleep(time.Millisecond) {
		if time.Since(begun) > hung {
			t.Fatalf("hung: %s", what)
		}
	}
}

func expect(t testing.TB, err error, code Code) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code || !errors.Is(err, code) {
		t.Fatalf("expected %v, got %#v: %v", code, err, err)
	}
	if e.Message == "" {
		t.Fatalf("%v without a message", code)
	}
	return e
}

// loopback makes a net at an address of this machine, closed at the end of the test. A server or a peer that does not get the
// CPU for a while is waited for.
func loopback(t testing.TB, bind string, opts ...Option) *Net {
	t.Helper()
	node, err := New(
		Set(OptNetType, NetDirect),
		Set(OptDialect, DialectSecure),
		Set(OptNodeType, NodePassive),
		Set(OptPassiveBind, bind),
		Set(OptNetworkMonitor, false),
		Set(OptServerTimeoutMS, hung),
		Set(OptCloseTimeoutMS, hung),
		Options(opts...),
	)
	must(t, err)
	t.Cleanup(func() { node.Close() })
	return node
}

// pair makes two nets and a connection between them.
func pair(t testing.TB, opts ...Option) (a, b *Net, atA, atB *Conn) {
	t.Helper()
	a, b = loopback(t, "127.0.0.2", opts...), loopback(t, "127.0.0.3", opts...)
	atA, atB = join(t, a, b)
	return a, b, atA, atB
}

func join(t testing.TB, a, b *Net) (atA, atB *Conn) {
	t.Helper()
	ctx := patience(t)
	atA, err := a.Connect(ctx, fmt.Sprintf("%s:%d", b.Info().LANIP, b.Info().PassivePort))
	must(t, err)
	atB, err = b.Accept(ctx)
	must(t, err)
	return atA, atB
}

func classic() Option { return Set(OptDialect, DialectClassic) }

// entries is how many there are in a folder of /proc.
func entries(t testing.TB, folder string) int {
	list, err := os.ReadDir(folder)
	if err != nil {
		t.Skipf("skip: %v", err)
	}
	return len(list)
}

func collect() {
	for i := 0; i < 3; i++ {
		runtime.GC()
		time.Sleep(time.Millisecond) // finalizers have a goroutine of their own
	}
}

// TestMain is also the other program of the tests that need one.
func TestMain(m *testing.M) {
	if os.Getenv("P2PNET_TEST_PEER") != "" {
		peer()
		return
	}
	os.Exit(m.Run())
}

// peer listens, tells where, and answers lines until somebody kills it.
func peer() {
	node, err := New(Set(OptNetType, NetDirect), Set(OptDialect, DialectSecure), Set(OptNodeType, NodePassive),
		Set(OptPassiveBind, "127.0.0.9"), Set(OptNetworkMonitor, false))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Printf("127.0.0.9:%d\n", node.Info().PassivePort)
	for {
		conn, err := node.Accept(context.Background())
		if err != nil {
			os.Exit(1)
		}
		for line := range conn.Lines() {
			if conn.WriteLine(context.Background(), "heard "+line) != nil {
				break
			}
		}
	}
}

func startPeer(t testing.TB) (address string, process *exec.Cmd) {
	t.Helper()
	process = exec.Command(os.Args[0])
	process.Env = append(os.Environ(), "P2PNET_TEST_PEER=1")
	out, err := process.StdoutPipe()
	must(t, err)
	must(t, process.Start())
	t.Cleanup(func() {
		process.Process.Kill()
		process.Wait()
	})
	_, err = fmt.Fscanln(out, &address)
	must(t, err)
	return address, process
}
