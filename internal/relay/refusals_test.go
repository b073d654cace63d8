package relay

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheRefusedAreToldAtFirstAndThenNowAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f refusals
		told := func(person string, tries int) (n int) {
			for range tries {
				if f.mayTell(person) {
					n++
				}
			}
			return n
		}
		if n := told("U9", 100); n != refusalBurst {
			t.Errorf("told %d times at once", n)
		}
		if n := told("U8", 1); n != 1 {
			t.Error("one person's refusals silence another's")
		}
		time.Sleep(refusalEvery)
		if n := told("U9", 100); n != 1 {
			t.Errorf("told %d times a minute later", n)
		}
		time.Sleep(time.Hour)
		if n := told("U9", 100); n != refusalBurst {
			t.Errorf("told %d times an hour later", n)
		}
		for i := range 3 * refusalPeople {
			f.mayTell(fmt.Sprint("U", i))
		}
		if len(f.until) > refusalPeople {
			t.Errorf("%d people are remembered", len(f.until))
		}
	})
}
