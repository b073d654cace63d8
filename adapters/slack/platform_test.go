package slack

import (
	"strings"
	"testing"
)

func TestTheEnvironmentSaysHowToReachSlack(t *testing.T) {
	for limit, want := range map[string]UpdateLimit{"50/10": {PerMinute: 50, Burst: 10}, " 7 / 1": {PerMinute: 7, Burst: 1}, "Off": {Off: true}} {
		o := Options{Bots: helpers()}.With(map[string]string{"SLACK_API_URL": "http://127.0.0.1:1/api//", "SLACK_UPDATE_LIMIT": limit, "STREAM_MODE": "auto"})
		if o.UpdateLimit != want || o.StreamMode != "auto" || len(o.Bots) != 1 {
			t.Errorf("%s: %+v", limit, o)
		}
		a, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.apps[0].apiURL.String(); got != "http://127.0.0.1:1/api/" {
			t.Errorf("calls go to %s", got)
		}
	}
	for _, wrong := range []string{"", "50", "0/1", "1/0", "a/b", "1/2/3", "2000000/1", "-1/1"} {
		if isLimit(wrong) {
			t.Errorf("%q is taken for a limit", wrong)
		}
	}
}

// People mix up the places of tokens, and what is wrong with a value stands in logs.
func TestNoCheckRepeatsAValue(t *testing.T) {
	for _, setting := range Platform().Settings {
		for _, token := range []string{"xoxb-2718281828", "xapp-2718281828", "xoxp-2718281828", "Xoxb 2718281828"} {
			if setting.Check == nil {
				t.Fatalf("%s takes everything", setting.Name)
			}
			if wrong := setting.Check(token); strings.Contains(wrong, "2718281828") {
				t.Errorf("%s: %s", setting.Name, wrong)
			}
		}
	}
}
