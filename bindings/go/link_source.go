//go:build p2pnet_source

package p2pnet

// The library of the source tree that this folder is part of, static, as `make lib` builds it. For working on p2pnet
// itself, and for programs that want no shared library: go build -tags p2pnet_source.

// #cgo CFLAGS: -I${SRCDIR}/../../include
// #cgo LDFLAGS: ${SRCDIR}/../../target/release/libp2pnet.a
// #cgo linux LDFLAGS: -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc
import "C"
