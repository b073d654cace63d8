package main

import (
	"context"

	"parley/internal/provider"
)

// probed stands for an endpoint that works with every model but "broken".
func probed(_ context.Context, p provider.Provider, model string) any {
	r := shownReport{Provider: p.ID, Model: model, OK: model != "broken", Diagnosis: "It answers in pieces.", FirstToken: 0.25, TokensPerSecond: 40,
		Steps: []shownStep{{Name: "connection", Status: "ok", Took: 0.01}, {Name: "answer", Status: "ok", Detail: "5 tokens"}}}
	if !r.OK {
		r.Diagnosis, r.Steps[1] = "The model broken does not exist.", shownStep{Name: "answer", Status: "failed", Detail: "404"}
	}
	return r
}
