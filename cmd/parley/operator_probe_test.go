package main

import (
	"context"

	"parley/internal/provider"
)

// probe stands for an endpoint that works with every model but "broken".
func probe(_ context.Context, _ provider.Provider, model string) any {
	if model == "broken" {
		return map[string]any{"ok": false, "diagnosis": "the model broken does not exist"}
	}
	return map[string]any{"ok": true, "diagnosis": "it works: " + model}
}
