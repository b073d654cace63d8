package fault

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func recovered(f func()) (err error) {
	defer func() { err = Recovered(recover()) }()
	f()
	return nil
}

// A panic's value may hold a key or the words of a message, in any shape.
func TestAPanicsValueIsNotInItsError(t *testing.T) {
	const private = "sk-private-words"
	type holder struct{ text string }
	for name, value := range map[string]any{
		"text": private, "error": errors.New(private), "wrapped": fmt.Errorf("x: %w", errors.New(private)),
		"bytes": []byte(private), "struct": holder{private}, "pointer": &holder{private}, "stringer": fmt.Stringer(stringer(private)),
	} {
		err := recovered(func() { panic(value) })
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err.Error()), private) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if text := err.Error(); !strings.Contains(text, fmt.Sprintf("%T", value)) || !strings.Contains(text, "fault_test.go") {
			t.Errorf("%s: neither type nor stack: %s", name, text)
		}
	}
}

type stringer string

func (s stringer) String() string { return string(s) }

func TestTheRuntimesOwnWordsAreKept(t *testing.T) {
	var m map[string]int
	err := recovered(func() { m["x"] = 1 })
	if _, ok := errors.AsType[runtime.Error](err); !ok || !strings.Contains(err.Error(), "assignment to entry in nil map") {
		t.Errorf("got %v", err)
	}
	if err := recovered(func() {}); err != nil {
		t.Errorf("without a panic: %v", err)
	}
}

func TestAGuardedFaultIsAnError(t *testing.T) {
	told := errors.New("told")
	if err := Guard(func() error { return told }); err != told {
		t.Errorf("got %v", err)
	}
	if err := Guard(func() error { panic("sk-private-words") }); err == nil || strings.Contains(err.Error(), "private") {
		t.Errorf("got %v", err)
	}
	if err := Guard(func() error { return nil }); err != nil {
		t.Errorf("got %v", err)
	}
}
