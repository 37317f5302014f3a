package p2pnet

// #include <stdlib.h>
// #include <p2pnet.h>
import "C"

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"unsafe"
)

// Error is what the library said about a failure.
type Error struct {
	// Code says what kind of failure it is.
	Code Code
	// Errno is the operating system's error number, 0 if none was involved.
	Errno syscall.Errno
	// Message says what failed, on what, why, and often what to do.
	Message string
	// Request is the number of the request that failed, for Net.Explain; 0 if there is none.
	Request uint64

	cause error
}

// Error is the message.
func (e *Error) Error() string {
	if e.Message == "" {
		return "p2pnet: " + e.Code.Error()
	}
	return "p2pnet: " + e.Message
}

// Is makes errors.Is find the Code, the Errno, and what Go's packages call the same: net.ErrClosed for ErrClosed,
// os.ErrDeadlineExceeded for ErrTimeout.
func (e *Error) Is(target error) bool {
	switch target := target.(type) {
	case Code:
		return e.Code == target
	case syscall.Errno:
		return e.Errno != 0 && e.Errno == target
	}
	switch target {
	case net.ErrClosed:
		return e.Code == ErrClosed
	case os.ErrDeadlineExceeded:
		return e.Code == ErrTimeout
	}
	return false
}

// Unwrap is the error of the context that ended a request, if that is what ended it.
func (e *Error) Unwrap() error { return e.cause }

// Timeout says whether it took too long; with Temporary it makes an Error a net.Error.
func (e *Error) Timeout() bool { return e.Code == ErrTimeout }

// Temporary says whether the same call may succeed at once if it is repeated.
func (e *Error) Temporary() bool { return e.Code == ErrWouldBlock }

// Error is the meaning of the code in a few words.
func (c Code) Error() string { return C.GoString(C.p2p_strerror(C.p2p_result(c))) }

// ErrIsMessage is what ReadLine, Lines and Read report if what comes next is a message, not a line. It stays there for
// Receive.
var ErrIsMessage = errors.New("p2pnet: what comes next is a message, not a line: take it with Receive")

// story is a place for the library to tell what went wrong.
func story() C.p2p_error {
	return C.p2p_error{struct_size: C.sizeof_p2p_error}
}

// failure makes a result an error, with its story if there is one; nil if it is none.
func failure(result C.p2p_result, told *C.p2p_error) error {
	if result == C.P2P_OK {
		return nil
	}
	e := &Error{Code: Code(result)}
	if told != nil && told.code == result {
		e.Errno = syscall.Errno(told.os_error)
		e.Message = C.GoString(&told.message[0])
	}
	if e.Message == "" {
		e.Message = e.Code.Error()
	}
	return e
}

func failed(code Code, message string) error { return &Error{Code: code, Message: message} }

// withText calls a function with text as a C string. A text with a NUL inside would lose what follows it.
func withText(what, text string, call func(*C.char) error) error {
	if strings.IndexByte(text, 0) >= 0 {
		return failed(ErrInvalid, what+" has a NUL inside")
	}
	c := C.CString(text)
	defer C.free(unsafe.Pointer(c))
	return call(c)
}

// written calls a function that writes text into a buffer and says how large that has to be.
func written(call func(buf *C.char, capacity C.size_t, need *C.size_t) error) (string, error) {
	var need C.size_t
	buf := make([]byte, 1024)
	for {
		err := call((*C.char)(unsafe.Pointer(&buf[0])), C.size_t(len(buf)), &need)
		if err == nil {
			return string(buf[:need-1]), nil
		}
		if !errors.Is(err, ErrTooSmall) {
			return "", err
		}
		buf = make([]byte, need+need/8) // it may have grown when we ask again
	}
}
