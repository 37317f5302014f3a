package p2pnet

// #include <p2pnet.h>
import "C"

import (
	"fmt"
	"math"
	"reflect"
	"time"
)

// Option is one thing that New is told.
type Option func(*config) error

// config is the library's options while New gathers them.
type config struct{ raw *C.p2p_config }

// Value is what an option can be set to: a number, one of this package's constants, a text, true or false, or a
// time.Duration for the options whose names end with MS.
type Value interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~string | ~bool
}

// Set sets an option, whose constant says what it means and what its default is. If the library does not take the
// value, New returns its error, which says what was expected.
func Set[T Value](opt Opt, value T) Option {
	return func(c *config) error {
		if d, ok := any(value).(time.Duration); ok {
			return c.setDuration(opt, d)
		}
		switch v := reflect.ValueOf(value); v.Kind() {
		case reflect.String:
			return c.setText(opt, v.String())
		case reflect.Bool:
			if v.Bool() {
				return c.setInt(opt, 1)
			}
			return c.setInt(opt, 0)
		case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
			if v.Uint() > math.MaxInt64 {
				return failed(ErrRange, fmt.Sprintf("%v: %d is larger than any option's range", opt, v.Uint()))
			}
			return c.setInt(opt, int64(v.Uint()))
		default:
			return c.setInt(opt, v.Int())
		}
	}
}

// Server adds a server, "host:port" or what else the constant says. Servers are used in the order they were added.
func Server(kind ServerKind, address string) Option {
	return func(c *config) error {
		return withText("the address of a server", address, func(text *C.char) error {
			told := story()
			return failure(C.p2p_config_add_server(c.raw, C.p2p_server(kind), text, &told), &told)
		})
	}
}

// Rendezvous adds rendezvous servers, each "host:port": they name nodes, list this one, and help peers to connect.
func Rendezvous(addresses ...string) Option {
	return each(addresses, func(address string) Option { return Server(ServerRendezvous, address) })
}

// AllowPeer lets in, and allows to be connected to, only nodes that are named so, each by its key (43 letters) or a
// locator (secure dialect).
func AllowPeer(who ...string) Option {
	return each(who, func(who string) Option {
		return func(c *config) error {
			return withText("the name of a peer", who, func(text *C.char) error {
				told := story()
				return failure(C.p2p_config_allow_peer(c.raw, text, &told), &told)
			})
		}
	})
}

// Options makes one option of several.
func Options(opts ...Option) Option {
	return func(c *config) error {
		for _, opt := range opts {
			if opt == nil {
				continue
			}
			if err := opt(c); err != nil {
				return err
			}
		}
		return nil
	}
}

func each(texts []string, option func(string) Option) Option {
	opts := make([]Option, len(texts))
	for i, text := range texts {
		opts[i] = option(text)
	}
	return Options(opts...)
}

func (c *config) setInt(opt Opt, value int64) error {
	told := story()
	return failure(C.p2p_config_set_int(c.raw, C.p2p_opt(opt), C.int64_t(value), &told), &told)
}

func (c *config) setText(opt Opt, value string) error {
	return withText(opt.String(), value, func(text *C.char) error {
		told := story()
		return failure(C.p2p_config_set_str(c.raw, C.p2p_opt(opt), text, &told), &told)
	})
}

// setDuration rounds up: a time that is not zero never becomes zero, which often means "for ever".
func (c *config) setDuration(opt Opt, d time.Duration) error {
	if !isTime[opt] {
		return failed(ErrInvalid, fmt.Sprintf("%v is no time: it takes a number or a text, not a time.Duration", opt))
	}
	ms := int64(d / time.Millisecond)
	if d%time.Millisecond > 0 {
		ms++
	}
	return c.setInt(opt, ms)
}

func (c *config) int(opt Opt) (int64, error) {
	told := story()
	var value C.int64_t
	err := failure(C.p2p_config_get_int(c.raw, C.p2p_opt(opt), &value, &told), &told)
	return int64(value), err
}
