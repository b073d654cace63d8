package discord

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"parley/internal/chat"
)

type counter struct {
	desk chat.Desk
	app  *app
	work *sync.WaitGroup
}

func (c *counter) take(ctx context.Context, d json.RawMessage, received time.Time) error { return nil }

func (a *app) registerCommands(ctx context.Context) {}

// Handler serves signed interactions.
func (a *Adapter) Handler(in chat.Inbox, desk chat.Desk) http.Handler { return nil }
