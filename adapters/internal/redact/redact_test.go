package redact

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestASecretIsTakenOutOfATextAndAnError(t *testing.T) {
	s := Of("", "short", "xoxb-31415926", "other-secret")
	if got := s.Text("short: xoxb-31415926 and xoxb-31415926, other-secret"); got != "short: [redacted] and [redacted], [redacted]" {
		t.Error(got)
	}
	told := fmt.Errorf("xoxb-31415926: %w", context.Canceled)
	err := s.Error(fmt.Errorf("call: %w", told))
	if err.Error() != "call: [redacted]: context canceled" || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if errors.Unwrap(err) != nil {
		t.Error("what is below the error can be printed")
	}
}

func TestAnErrorWithoutASecretStaysAsItIs(t *testing.T) {
	s := Of("xoxb-31415926")
	if err := errors.New("nothing of it"); s.Error(err) != err {
		t.Error("another error came back")
	}
	if s.Error(nil) != nil {
		t.Error("an error out of nothing")
	}
}
