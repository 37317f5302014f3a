//go:build !p2pnet_source

package p2pnet

// The library as `make install` puts it: p2pnet.pc says where.

// #cgo pkg-config: p2pnet
import "C"
