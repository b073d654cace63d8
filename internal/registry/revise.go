// Saving a provider, and the one rule about its secrets: a stored secret is kept
// only if every request still goes to a server it was given for, in the same way.

package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"parley/internal/chat"
	"parley/internal/provider"
	"parley/internal/secret"
)

// Mode says how a Revision combines with the stored record.
type Mode int

// The modes.
const (
	// Put replaces the stored record or creates one. It may override a built-in
	// provider or one from the providers file, until it is removed; if it has no key
	// or no headers, it takes those of the provider that it overrides.
	Put Mode = iota
	// Add creates a record. It fails with *TakenError if the id is in use.
	Add
	// Edit changes the name, endpoint, models and, unless it is empty, API key of a
	// stored record, and nothing else. It fails with ErrNotStored if there is none.
	Edit
)

// Revision is a provider to save. A secret with the value provider.Kept means the
// stored one.
type Revision struct {
	Provider provider.Provider
	Mode     Mode
}

// TakenError says that the id of a provider to add is in use.
type TakenError struct{ ID, Source string }

func (e *TakenError) Error() string { return fmt.Sprintf("there is a provider %q already", e.ID) }

// ErrNotStored says that there is no record to edit. Built-in providers have none.
var ErrNotStored = errors.New("there is no such provider to edit")

// KeepError lists the secrets that a Revision wants to keep and cannot.
type KeepError struct{ Faults []KeepFault }

func (e *KeepError) Error() string {
	var fields []string
	for _, f := range e.Faults {
		fields = append(fields, f.Field)
	}
	return "stored secrets cannot stay: " + strings.Join(fields, ", ")
}

// KeepFault says why one secret cannot be kept.
type KeepFault struct {
	Field string // "apiKey", "extraHeaders.X-Team", "proxy", "endpoint", "endpoints[0]"
	Query bool   // the secret is in the query of a URL
	// Moved says why the stored value may not be used any more; empty if no value is
	// stored.
	Moved string
	// Params are the query's parameters without a stored value for that server.
	Params []string
}

// Revise stores rev as a custom record and returns the stored provider; created
// says that its id had no record. It reads the newest state, not the snapshot, and
// writes only if nobody changed it since. If secrets cannot be kept, it stores
// nothing and returns *KeepError.
func (r *Registry) Revise(ctx context.Context, by chat.Actor, rev Revision) (stored provider.Provider, created bool, err error) {
	id := rev.Provider.ID
	err = r.update(ctx, by, func(s *snapshot, c *change) error {
		old, found := s.find(id)
		p, err := rev.over(old, found)
		if err != nil {
			return err
		}
		known, there := s.stored[id]
		created = !there
		if there && known.source == File {
			c.set(r.keys.shadowed, id, s.raw[id])
		}
		if under, ok := r.under(s, id); ok && moved(under, p) == "" {
			if p.APIKey.IsZero() {
				p.APIKey = under.APIKey
			}
			if len(p.ExtraHeaders) == 0 {
				p.ExtraHeaders = under.ExtraHeaders
			}
		}
		stored = p
		return c.put(s, p, Custom)
	})
	if err != nil {
		return provider.Provider{}, false, err
	}
	r.log.InfoContext(ctx, "provider stored", "provider", id, "created", created, "via", by.Via(), "by", by.ID)
	return stored, created, nil
}

// under is the provider that a custom record with this id overrides: the one in
// the providers file, else the built-in one.
func (r *Registry) under(s *snapshot, id string) (provider.Provider, bool) {
	text, ok := s.shadowed[id]
	if known, there := s.stored[id]; there && known.source == File {
		text, ok = s.raw[id], true
	}
	if !ok {
		return s.builtin(id)
	}
	rec, err := r.decode(id, text)
	if err != nil || rec.problem != "" {
		return provider.Provider{}, false
	}
	return rec.provider, true
}

// over returns the provider that results from applying rev to old.
func (rev Revision) over(old Entry, found bool) (provider.Provider, error) {
	p := rev.Provider
	switch {
	case rev.Mode == Add && found:
		return p, &TakenError{ID: old.ID, Source: old.Source}
	case rev.Mode == Edit && (!found || old.Source == Builtin):
		return p, ErrNotStored
	case rev.Mode == Edit:
		p = edited(old.Provider, p)
	}
	k := keeper{old: old.Provider}
	if found {
		asked := p
		if asked.Proxy == provider.Kept {
			asked.Proxy = old.Proxy
		}
		k.moved = moved(old.Provider, asked)
	}
	p = k.restore(p)
	if len(k.faults) > 0 {
		return p, &KeepError{Faults: k.faults}
	}
	return p, nil
}

// edited is old with the fields of form. Further endpoints and the proxy are
// dropped if the endpoint moves to another server: the new key is not for them.
func edited(old, form provider.Provider) provider.Provider {
	p := old
	p.Name, p.Endpoint, p.Models = form.Name, form.Endpoint, form.Models
	p.Models.List = slices.Clone(form.Models.List)
	for i, m := range p.Models.List {
		if known := old.Models.Find(m.ID); known != nil {
			p.Models.List[i] = *known
		}
	}
	if !provider.SameServer(old.Endpoint, form.Endpoint) {
		p.Endpoints, p.Proxy = nil, ""
	}
	switch {
	case !form.APIKey.IsZero():
		p.APIKey = form.APIKey
	case !old.APIKey.IsZero():
		p.APIKey = secret.New(provider.Kept)
	}
	p.ExtraHeaders = maps.Clone(old.ExtraHeaders)
	for name := range p.ExtraHeaders {
		p.ExtraHeaders[name] = secret.New(provider.Kept)
	}
	return p
}

// keeper replaces provider.Kept by the stored secrets.
type keeper struct {
	old    provider.Provider
	moved  string // why the stored secrets may not be kept; empty if they may
	faults []KeepFault
}

func (k *keeper) restore(p provider.Provider) provider.Provider {
	p.Endpoint = k.url("endpoint", p.Endpoint)
	p.Endpoints = slices.Clone(p.Endpoints)
	for i, e := range p.Endpoints {
		p.Endpoints[i] = k.url(fmt.Sprintf("endpoints[%d]", i), e)
	}
	p.APIKey = secret.New(k.value("apiKey", p.APIKey.Reveal(), k.old.APIKey.Reveal()))
	if len(p.ExtraHeaders) > 0 {
		headers := make(map[string]secret.Text, len(p.ExtraHeaders))
		for _, name := range slices.Sorted(maps.Keys(p.ExtraHeaders)) {
			headers[name] = secret.New(k.value("extraHeaders."+name, p.ExtraHeaders[name].Reveal(), header(k.old.ExtraHeaders, name)))
		}
		p.ExtraHeaders = headers
	}
	p.Proxy = k.value("proxy", p.Proxy, k.old.Proxy)
	return p
}

// value is given, or stored if given is provider.Kept.
func (k *keeper) value(field, given, stored string) string {
	if given != provider.Kept {
		return given
	}
	switch {
	case stored == "":
		k.faults = append(k.faults, KeepFault{Field: field})
	case k.moved != "":
		k.faults = append(k.faults, KeepFault{Field: field, Moved: k.moved})
	}
	return stored
}

// url replaces provider.Kept in the query by the stored values.
func (k *keeper) url(field, shown string) string {
	raw, missing := provider.RestoreURL(shown, append([]string{k.old.Endpoint}, k.old.Endpoints...))
	switch {
	case len(missing) > 0:
		k.faults = append(k.faults, KeepFault{Field: field, Query: true, Params: missing})
	case raw != shown && k.moved != "":
		k.faults = append(k.faults, KeepFault{Field: field, Query: true, Moved: k.moved})
	}
	return raw
}

func header(h map[string]secret.Text, name string) string {
	for known, value := range h {
		if strings.EqualFold(known, name) {
			return value.Reveal()
		}
	}
	return ""
}

// moved says why next may not keep the secrets of old, "" if it may: every request
// must go to a server of old, in the same way. With another certificate authority,
// client certificate or proxy, somebody else could answer for that server.
func moved(old, next provider.Provider) string {
	servers := append([]string{old.Endpoint}, old.Endpoints...)
	known := func(raw string) bool {
		return slices.ContainsFunc(servers, func(s string) bool { return provider.SameServer(s, raw) })
	}
	switch {
	case !provider.SameServer(old.Endpoint, next.Endpoint):
		return "the endpoint's scheme, host or port is another than the secret was given for"
	case slices.ContainsFunc(next.Endpoints, func(e string) bool { return !known(e) }):
		return "endpoints names a server that the secret was not given for"
	case tlsOf(old) != tlsOf(next):
		return "tls is another than the secret was given for"
	case next.Proxy != "" && next.Proxy != old.Proxy:
		return "the proxy is another than the secret was given for"
	}
	return ""
}

func tlsOf(p provider.Provider) provider.TLS {
	if p.TLS == nil {
		return provider.TLS{}
	}
	return *p.TLS
}
