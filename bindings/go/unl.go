package p2pnet

// #include <stdlib.h>
// #include <p2pnet.h>
import "C"

import (
	"runtime"
	"strings"
	"time"
	"unsafe"
)

// UNL is this node's locator, one line of text by which others connect to it (ConnectUNL). It changes with the node's
// situation: ask when it is needed. ErrState: it is of version 2 (classic dialect), and our address from outside is not
// known yet.
func (n *Net) UNL() (string, error) {
	return n.text(func(raw *C.p2p_net, buf *C.char, room C.size_t, need *C.size_t) C.p2p_result {
		return C.p2p_unl_get(raw, buf, room, need)
	})
}

// ConstructUNL is UNL with some facts replaced, each "name=value", such as "wan_ip=203.0.113.7" or
// "candidate=mapped 203.0.113.7:6881". What is said is not checked against the facts.
func (n *Net) ConstructUNL(changes ...string) (string, error) {
	defer runtime.KeepAlive(n)
	list := make([]*C.char, len(changes))
	defer func() {
		for _, text := range list {
			C.free(unsafe.Pointer(text))
		}
	}()
	var first **C.char
	for i, change := range changes {
		if strings.IndexByte(change, 0) >= 0 {
			return "", failed(ErrInvalid, "a change has a NUL inside")
		}
		list[i] = C.CString(change)
		first = &list[0]
	}
	raw, err := n.core.enter()
	if err != nil {
		return "", err
	}
	defer n.core.leave()
	return written(func(buf *C.char, room C.size_t, need *C.size_t) error {
		told := story()
		return failure(C.p2p_unl_construct(raw, first, C.size_t(len(list)), buf, room, need, &told), &told)
	})
}

// CheckUNL says whether a text is a locator that can be used: whole, signed by its key, not expired by this machine's
// clock. The error says what is wrong with it.
func CheckUNL(locator string) error {
	return withText("the locator", locator, func(text *C.char) error {
		told := story()
		return failure(C.p2p_unl_check(text, &told), &told)
	})
}

// Candidate is one address of a node; its port is 0 if nobody gets in there.
type Candidate struct {
	Kind    CandidateKind
	Address string
}

// UNLInfo is what a locator says.
type UNLInfo struct {
	// Version is 2 (PyP2P's format) or 3.
	Version    int
	NodeType   NodeType
	NAT        NAT
	Forwarding Forwarding
	Mapping    Mapping
	Allocation Allocation
	NATDelta   int
	// Expires is when it is of no use any more; the zero time if it says nothing of that.
	Expires time.Time
	// ID is the node's key, 43 letters (version 3), or its DHT id, 40 hexadecimal digits (version 2); "" if none.
	ID string
	// Network is the network it is for, "" for the one without a name.
	Network string
	// Candidates are its addresses, the best first.
	Candidates []Candidate
}

// ParseUNL reads a locator, expired or not.
func ParseUNL(locator string) (UNLInfo, error) {
	info := C.p2p_unl_info{struct_size: C.sizeof_p2p_unl_info}
	err := withText("the locator", locator, func(text *C.char) error {
		told := story()
		return failure(C.p2p_unl_get_info(text, &info, &told), &told)
	})
	if err != nil {
		return UNLInfo{}, err
	}
	out := UNLInfo{
		Version:    int(info.version),
		NodeType:   NodeType(info.node_type),
		NAT:        NAT(info.nat),
		Forwarding: Forwarding(info.forwarding),
		Mapping:    Mapping(info.mapping),
		Allocation: Allocation(info.allocation),
		NATDelta:   int(info.nat_delta),
		ID:         C.GoString(&info.id[0]),
		Network:    C.GoString(&info.network[0]),
	}
	if info.expires != 0 {
		out.Expires = time.Unix(int64(info.expires), 0)
	}
	for i := 0; i < int(info.candidate_count) && i < len(info.candidates); i++ {
		c := &info.candidates[i]
		out.Candidates = append(out.Candidates, Candidate{CandidateKind(c.kind), C.GoString(&c.address[0])})
	}
	return out, nil
}
