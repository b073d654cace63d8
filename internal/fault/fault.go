// Package fault turns a panic into an error that is safe to log.
package fault

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Recovered turns the result of recover into an error with the stack of the
// goroutine that panicked, and nil into nil. Call it in the deferred function
// as Recovered(recover()). It omits the panic's value, which may be a person's
// message or a key; the error has its type, or the Go runtime's own error.
func Recovered(value any) error {
	switch v := value.(type) {
	case nil:
		return nil
	case runtime.Error:
		return &panicked{what: v.Error(), stack: debug.Stack(), cause: v}
	}
	return &panicked{what: fmt.Sprintf("a value of type %T", value), stack: debug.Stack()}
}

// Guard runs f and returns its error, or an error for its panic.
func Guard(f func() error) (err error) {
	defer func() {
		if defect := Recovered(recover()); defect != nil {
			err = defect
		}
	}()
	return f()
}

type panicked struct {
	what  string
	stack []byte
	cause error // the runtime's own error, or nil
}

func (p *panicked) Error() string { return "panic: " + p.what + "\n" + string(p.stack) }

func (p *panicked) Unwrap() error { return p.cause }
