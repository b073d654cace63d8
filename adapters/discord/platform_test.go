package discord

import (
	"testing"

	"parley/bots"
)

func TestTheEnvironmentSaysHowToReachDiscord(t *testing.T) {
	for limit, want := range map[string]int{"50": 50, "1": 1, "OFF": 0} {
		o := Options{Bots: []bots.Bot{helper("MTIzNDU2Nzg5.a.b")}}.With(map[string]string{"DISCORD_API_URL": "http://127.0.0.1:1/api/v10//", "DISCORD_GLOBAL_LIMIT": limit})
		if o.GlobalLimit != want || len(o.Bots) != 1 {
			t.Errorf("%s: %+v", limit, o)
		}
		a, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.apps[0].rest.base; got != "http://127.0.0.1:1/api/v10" {
			t.Errorf("calls go to %s", got)
		}
	}
	for _, wrong := range []string{"", "0", "-1", "many", "2000000", "1.5"} {
		if isRate(wrong) {
			t.Errorf("%q is taken for a rate", wrong)
		}
	}
}
