// Package fault turns a panic into an error that is safe to log.
package fault

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Recovered makes an error of what recover gave, with the stack of the
// goroutine that panicked; nil of nil. Call it in the deferred function as
// Recovered(recover()). A panic's value may be someone's message or a key, so
// its text is left out: the error names its type, or what the Go runtime itself
// complained about.
func Recovered(value any) error {
	switch v := value.(type) {
	case nil:
		return nil
	case runtime.Error:
		return &panicked{what: v.Error(), stack: debug.Stack(), cause: v}
	}
	return &panicked{what: fmt.Sprintf("a value of type %T", value), stack: debug.Stack()}
}

// Guard runs f and gives its error, or that of its panic.
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
	cause error // the runtime's own error, else nil
}

func (p *panicked) Error() string { return "panic: " + p.what + "\n" + string(p.stack) }

func (p *panicked) Unwrap() error { return p.cause }
