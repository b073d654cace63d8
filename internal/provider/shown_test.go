package provider

import (
	"strings"
	"testing"
)

func TestAKeyInAURLIsNotShown(t *testing.T) {
	for raw, want := range map[string]string{
		"https://h/v1/chat/completions":                                   "https://h/v1/chat/completions",
		"https://h/v1?key=sk-1":                                           "https://h/v1?key=set",
		"https://h/v1?api-version=2024-10-21&api-key=a%20b":               "https://h/v1?api-version=2024-10-21&api-key=set",
		"https://h/v1?API-Version=2024&code=x&alt=sse":                    "https://h/v1?API-Version=2024&code=set&alt=sse",
		"https://h/v1?%6Bey=sk-1":                                         "https://h/v1?%6Bey=set",
		"https://h/v1?sk-bare-word":                                       "https://h/v1?set",
		"https://h/v1?key=":                                               "https://h/v1?key=",
		"https://h/v1?key=a&key=b":                                        "https://h/v1?key=set&key=set",
		"https://h/v1?key=a=b":                                            "https://h/v1?key=set",
		"https://h/v1?subscription-key=abc&deployment=prod&token=t&sig=s": "https://h/v1?subscription-key=set&deployment=prod&token=set&sig=set",
	} {
		shown := ShownURL(raw)
		if shown != want {
			t.Errorf("%s is shown as %s", raw, shown)
		}
		if HasSecret(shown) {
			t.Errorf("%s still holds a secret", shown)
		}
	}
}

func TestAShownURLIsMadeWholeForItsServerOnly(t *testing.T) {
	stored := []string{"https://h/v1?key=sk%2F1&api-version=1", "https://b:8443/v1?code=c"}
	for _, c := range []struct{ shown, raw, missing string }{
		{"https://h/v2?api-version=2&key=set", "https://h/v2?api-version=2&key=sk%2F1", ""},
		{"https://H:443/v1?key=set", "https://H:443/v1?key=sk%2F1", ""},
		{"https://b:8443/v1?code=set", "https://b:8443/v1?code=c", ""},
		{"https://h/v1?key=new", "https://h/v1?key=new", ""},
		{"http://h/v1?key=set", "http://h/v1?key=set", "key"},
		{"https://evil/v1?key=set", "https://evil/v1?key=set", "key"},
		{"https://h/v1?other=set", "https://h/v1?other=set", "other"},
	} {
		raw, missing := RestoreURL(c.shown, stored)
		if raw != c.raw || strings.Join(missing, " ") != c.missing {
			t.Errorf("%s becomes %s without %q", c.shown, raw, missing)
		}
	}
}

// What can never be dialled is refused when the record is put, in whatever
// notation it is written.
func TestAnAddressThatIsNeverAllowedMakesNoRecord(t *testing.T) {
	hosts := []string{
		"169.254.169.254", "169.254.169.254.", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "0xa9.254.0251.0376", "169.254.43518", "169.16689662",
		"[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]", "[::169.254.169.254]", "[fe80::1]", "[fe80::1%25eth0]",
		"[fd00:ec2::254]", "[fd20:ce::254]", "100.100.100.200", "168.63.129.16", "192.0.0.192", "metadata.google.internal", "Metadata.Google.Internal.",
		"metadata.goog", "169。254。169。254", "１６９.254.169.254", "0.0.0.0", "0", "[::]", "224.0.0.1",
	}
	for _, host := range hosts {
		for field, p := range map[string]Provider{
			"endpoint":     {ID: "x", Endpoint: "http://" + host + "/v1/chat/completions"},
			"endpoints[0]": {ID: "x", Endpoint: "http://ok/v1", Endpoints: []string{"http://" + host + ":8080/v1"}},
			"proxy":        {ID: "x", Endpoint: "http://ok/v1", Proxy: "http://" + host + ":3128"},
		} {
			found := p.Validate()
			if len(found) != 1 || found[0].Field != field || !strings.Contains(found[0].Text, "PROVIDER_NETWORKS") {
				t.Errorf("%s as %s: %v", host, field, found)
			}
		}
	}
	for _, host := range []string{"127.0.0.1", "10.0.0.1", "[::1]", "[fd12::1]", "8.8.8.8", "localhost", "2130706433", "metadata.example.com", "bücher.example", "host_with_underscore"} {
		if p := (Provider{ID: "x", Endpoint: "http://" + host + "/v1"}); len(p.Validate()) > 0 {
			t.Errorf("%s: %v", host, p.Validate())
		}
	}
}
