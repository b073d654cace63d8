// One model to ask.

package relay

import (
	"parley/bots"
	"parley/internal/provider"
)

// target is one model of one provider to ask.
type target struct {
	provider provider.Provider
	model    string
}

func (t target) String() string { return t.provider.ID + "/" + t.model }

func (t target) ref() bots.ModelRef { return bots.ModelRef{Provider: t.provider.ID, Model: t.model} }

// maxInput is the context length of the target in tokens, 0 if unknown.
func (t target) maxInput() int {
	for _, m := range t.provider.Models.List {
		if m.ID == t.model && m.MaxInput > 0 {
			return m.MaxInput
		}
	}
	return t.provider.MaxInput
}

// pricing is the model's own price, else the provider's, else nil.
func (t target) pricing() *provider.Pricing {
	for _, m := range t.provider.Models.List {
		if m.ID == t.model && m.Pricing != nil {
			return m.Pricing
		}
	}
	return t.provider.Pricing
}
