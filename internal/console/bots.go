// Bots over HTTP: the list, what each uses, and its default.

package console

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"parley/bots"
	"parley/internal/provider"
	"parley/internal/registry"
	"parley/internal/suggest"
)

// botView is one bot as the API shows it.
type botView struct {
	ID          string          `json:"id"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Provider    string          `json:"provider"`  // in use now, where no channel or thread chose otherwise
	Model       string          `json:"model"`     // likewise
	File        registry.Choice `json:"file"`      // what its definition says
	Platforms   []string        `json:"platforms"` // where it can be met
	Problem     string          `json:"problem,omitempty"`
}

func (c *console) getManifest(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	body, err := c.Manifest(r.PathValue("platform"), r.FormValue("bot"), r.FormValue("url"))
	if err != nil {
		return 0, nil, notFound(err.Error())
	}
	return http.StatusOK, body, nil
}

func (c *console) botView(b bots.Bot) botView {
	now := c.inUse(b)
	v := botView{
		ID: b.ID, Name: b.Name, Description: b.Description, Provider: now.Provider, Model: now.Model,
		File: registry.Choice{Provider: b.Provider, Model: b.Model}, Platforms: []string{},
	}
	for _, p := range c.Platforms {
		if b.On(p) {
			v.Platforms = append(v.Platforms, p.Name)
		}
	}
	if e, ok := c.Registry.Provider(now.Provider); !ok {
		v.Problem = fmt.Sprintf("provider %q is not registered", now.Provider)
	} else if e.Problem != "" {
		v.Problem = fmt.Sprintf("provider %q cannot be used: %s", now.Provider, e.Problem)
	}
	return v
}

// inUse is the provider and model that a bot uses unless a place has its own:
// the operator's choice, else its file's.
func (c *console) inUse(b bots.Bot) registry.Choice {
	if chosen, ok := c.Registry.Default(b.ID); ok {
		return chosen
	}
	return registry.Choice{Provider: b.Provider, Model: b.Model}
}

// listBots answers GET /api/v1/bots.
func (c *console) listBots(http.ResponseWriter, *http.Request) (int, any, error) {
	views := []botView{}
	for _, b := range c.Bots {
		views = append(views, c.botView(b))
	}
	return http.StatusOK, map[string]any{"bots": views}, nil
}

func (c *console) bot(r *http.Request) (bots.Bot, error) {
	id := r.PathValue("id")
	var ids []string
	for _, b := range c.Bots {
		if b.ID == id {
			return b, nil
		}
		ids = append(ids, b.ID)
	}
	return bots.Bot{}, notFound(fmt.Sprintf("There is no bot %q.%s", shorten(id), didYouMean(suggest.Names(id, ids, 3))))
}

// getBot answers GET /api/v1/bots/{id}.
func (c *console) getBot(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	b, err := c.bot(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, c.botView(b), nil
}

// patchBot answers PATCH /api/v1/bots/{id}.
func (c *console) patchBot(w http.ResponseWriter, r *http.Request) (int, any, error) {
	b, err := c.bot(r)
	if err != nil {
		return 0, nil, err
	}
	fields, problem := readObject(w, r)
	if problem != nil {
		return 0, nil, problem
	}
	patch, err := decodePatch(fields)
	if err != nil {
		return 0, nil, err
	}
	chosen, err := c.patched(r.Context(), b, patch)
	if err != nil {
		return 0, nil, err
	}
	if patch.given() {
		if err := c.Registry.SetDefault(r.Context(), c.actor(r), b.ID, chosen); err != nil {
			return 0, nil, err
		}
		now := c.inUse(b)
		c.Log.InfoContext(r.Context(), "default of a bot changed", "bot", b.ID, "provider", now.Provider, "model", now.Model)
	}
	return http.StatusOK, c.botView(b), nil
}

// patch is the body of a PATCH: each field may be absent, null or a string.
type patch struct {
	provider, model *string // nil: absent or null
	providerNull    bool
	modelNull       bool
}

func (p patch) given() bool {
	return p.provider != nil || p.model != nil || p.providerNull || p.modelNull
}

func decodePatch(fields map[string]json.RawMessage) (patch, error) {
	if fields == nil { // a body of null
		return patch{providerNull: true, modelNull: true}, nil
	}
	var p patch
	var errs []FieldError
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		var value *string
		if err := json.Unmarshal(fields[name], &value); err != nil {
			errs = append(errs, FieldError{shorten(name), "must be a string, or null for the file's default"})
			continue
		}
		if value != nil && strings.TrimSpace(*value) == "" {
			errs = append(errs, FieldError{shorten(name), "must not be empty; null restores the file's default"})
			continue
		}
		switch name {
		case "provider":
			p.provider, p.providerNull = value, value == nil
		case "model":
			p.model, p.modelNull = value, value == nil
		default:
			errs = append(errs, FieldError{shorten(name), "unknown field; only provider and model can be changed, the rest is in the bot's file"})
		}
	}
	if len(errs) > 0 {
		return p, invalid("The request has invalid fields, listed in errors.", errs...)
	}
	return p, nil
}

// patched applies p to the bot's current choice; nil means the file's. If p
// has only a provider, the bot keeps its model if that provider has it too
// (null: the file's model), else it uses the provider's first.
func (c *console) patched(ctx context.Context, b bots.Bot, p patch) (*registry.Choice, error) {
	file := registry.Choice{Provider: b.Provider, Model: b.Model}
	if p.model == nil && p.provider == nil && (p.providerNull || p.modelNull) {
		return nil, nil
	}
	chosen := c.inUse(b)
	if p.modelNull {
		chosen.Model = file.Model
	}
	switch {
	case p.provider != nil:
		chosen.Provider = *p.provider
	case p.providerNull:
		chosen.Provider = file.Provider
	}
	e, ok := c.Registry.Provider(chosen.Provider)
	if !ok {
		return nil, invalid("", FieldError{"provider", fmt.Sprintf("there is no provider %q.%s", shorten(chosen.Provider), didYouMean(suggest.Names(chosen.Provider, c.providerIDs(), 3)))})
	}
	switch {
	case p.model != nil:
		chosen.Model = *p.model
	case p.provider != nil && e.Models.Find(chosen.Model) == nil && len(e.Models.List) > 0:
		chosen.Model = e.Models.List[0].ID
	}
	return &chosen, c.modelExists(ctx, e, chosen.Model)
}

// discoverTime limits how long to ask an endpoint for its models.
const discoverTime = 10 * time.Second

// modelExists returns an error if the provider is known not to have the model.
// If the record lists models, only those count. If it leaves them to the
// endpoint, parley asks, and accepts the model if the endpoint cannot answer.
func (c *console) modelExists(ctx context.Context, e registry.Entry, model string) error {
	if e.Models.Find(model) != nil {
		return nil
	}
	names := modelIDs(e.Models.List)
	if e.Models.Discover || isPlaceholder(e.Models) {
		if c.Models == nil {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, discoverTime)
		defer cancel()
		offered, err := c.Models(ctx, e.Provider)
		if err != nil || len(offered) == 0 {
			return nil
		}
		more := modelIDs(offered)
		if slices.Contains(more, model) {
			return nil
		}
		names = append(names, more...)
	}
	hint := didYouMean(suggest.Names(model, names, 5))
	if hint == "" && len(names) > 0 {
		hint = " It has " + strings.Join(names[:min(5, len(names))], ", ")
		if len(names) > 5 {
			hint += fmt.Sprintf(" and %d more", len(names)-5)
		}
		hint += "."
	}
	return invalid("", FieldError{"model", fmt.Sprintf("provider %q has no model %q.%s", e.ID, shorten(model), hint)})
}

func modelIDs(models []provider.Model) []string {
	ids := make([]string, len(models))
	for i, m := range models {
		ids[i] = m.ID
	}
	return ids
}

// isPlaceholder reports whether the record was put without models: then it has
// a single one named "default".
func isPlaceholder(m provider.Models) bool {
	return len(m.List) == 1 && m.List[0].ID == "default"
}
