package relay

import (
	"fmt"
	"strings"
	"testing"

	"parley/internal/chat"
	"parley/internal/provider"
)

func TestAnEditFormCutsNoStoredValue(t *testing.T) {
	lab := provider.Provider{ID: "lab", Name: "Lab", Endpoint: "https://lab.example/v1/chat/completions"}
	for n := range 3 {
		lab.Models.List = append(lab.Models.List, provider.Model{ID: fmt.Sprint("model-", n)})
	}
	c := command{speaker: chat.English{}}
	form, err := c.editProviderForm(lab)
	if err != nil {
		t.Fatal(err)
	}
	if got := form.Fields[len(form.Fields)-1].Value; got != "model-0, model-1, model-2" {
		t.Errorf("the models are shown as %q", got)
	}
	for n := range 300 {
		lab.Models.List = append(lab.Models.List, provider.Model{ID: fmt.Sprint("another-", n)})
	}
	if _, err := c.editProviderForm(lab); err == nil || !strings.Contains(err.Error(), "The field models of lab holds more") {
		t.Errorf("303 models: %v", err)
	}
}
