package discord

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bwmarrin/discordgo"
)

var update = flag.Bool("update", false, "write the golden files anew")

// lore is the world the golden events play in: the bot is 100, its own role
// 150, channel 20 has the threads 21 and 22, of which the bot started the latter,
// and 23, opened from one of its messages.
func lore(channel string) knowledge {
	places := map[string]channelInfo{
		"20": {name: "general", kind: discordgo.ChannelTypeGuildText},
		"21": {name: "a talk", kind: discordgo.ChannelTypeGuildPublicThread, parent: "20", owner: "200000"},
		"22": {name: "our talk", kind: discordgo.ChannelTypeGuildPublicThread, parent: "20", owner: "100000"},
		"23": {name: "about an answer", kind: discordgo.ChannelTypeGuildPublicThread, parent: "20", owner: "200000"},
	}
	roles := map[string]role{"150000": {name: "Helper", bot: "100000"}, "160000": {name: "Writers"}}
	return knowledge{
		self: "100000", bot: "helper", here: places[channel],
		role:    func(id string) role { return roles[id] },
		channel: func(id string) string { return map[string]string{"200000": "general"}[id] },
		wrote:   func(id string) bool { return id == "23" || id == "999" },
	}
}

// Each testdata/translate/*.json is an event as the gateway sends it; the
// golden file beside it holds the chat.Message, or null where the event is not
// for the bot.
func TestTranslate(t *testing.T) {
	files, err := filepath.Glob("testdata/translate/*.json")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d events: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var e messageEvent
			if err := json.Unmarshal(raw, &e); err != nil {
				t.Fatal(err)
			}
			got := []byte("null")
			if m, ok := translate(&e, lore(e.Channel)); ok {
				if got, err = json.MarshalIndent(m, "", "  "); err != nil {
					t.Fatal(err)
				}
			}
			golden := strings.TrimSuffix(file, ".json") + ".golden"
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != strings.TrimSpace(string(want)) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func FuzzTranslate(f *testing.F) {
	files, _ := filepath.Glob("testdata/translate/*.json")
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var e messageEvent
		if json.Unmarshal(raw, &e) != nil {
			return
		}
		m, ok := translate(&e, lore(e.Channel))
		if ok && (m.Author.ID == "" || m.Author.ID == "100000" || m.Key == "" || m.Place.Platform != "discord") {
			t.Errorf("%+v", m)
		}
	})
}
