// The request body: only fields that are set, never null.

package completion

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"parley/bots"
	"parley/internal/provider"
)

// buildBody returns the JSON body of r for p, and its fields.
func buildBody(p provider.Provider, r Request, q provider.Quirks) ([]byte, map[string]any, error) {
	fields := paramFields(r.Params)
	fields["stream"] = true
	fields["stream_options"] = map[string]any{"include_usage": true}
	apply(fields, q)
	for _, name := range p.DropParams {
		drop(fields, name, q)
	}
	for name, value := range p.AddParams {
		if twin, ok := twins[name]; ok {
			delete(fields, twin)
		}
		if value == nil {
			delete(fields, name)
			continue
		}
		fields[name] = value
	}
	for _, name := range p.DropParams {
		delete(fields, name)
	}
	if stream, _ := fields["stream"].(bool); !stream {
		delete(fields, "stream_options")
	}
	if _, set := fields["model"]; !set && r.Model != "" && !slices.Contains(p.DropParams, "model") {
		fields["model"] = r.Model
	}
	body, err := encodeBody(fields, shaped(r.Messages, q))
	return body, fields, err
}

// encodeBody writes the fields in a fixed order, the messages last.
func encodeBody(fields map[string]any, messages []Message) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	b.WriteByte('{')
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if err := writeField(&b, enc, name, fields[name]); err != nil {
			return nil, err
		}
		b.WriteByte(',')
	}
	if err := writeField(&b, enc, "messages", onWire(messages)); err != nil {
		return nil, err
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func writeField(b *bytes.Buffer, enc *json.Encoder, name string, value any) error {
	if err := enc.Encode(name); err != nil {
		return fmt.Errorf("field name: %w", err)
	}
	b.Truncate(b.Len() - 1) // the encoder ends with a line feed
	b.WriteByte(':')
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("field %s: %w", name, err)
	}
	b.Truncate(b.Len() - 1)
	return nil
}

// paramFields are the parameters that were set, under OpenAI's names.
func paramFields(p bots.Params) map[string]any {
	f := map[string]any{}
	if p.Temperature != nil {
		f["temperature"] = *p.Temperature
	}
	if p.TopP != nil {
		f["top_p"] = *p.TopP
	}
	if p.FrequencyPenalty != nil {
		f["frequency_penalty"] = *p.FrequencyPenalty
	}
	if p.PresencePenalty != nil {
		f["presence_penalty"] = *p.PresencePenalty
	}
	if p.MaxTokens != nil {
		f["max_tokens"] = *p.MaxTokens
	}
	if len(p.Stop) > 0 {
		f["stop"] = p.Stop
	}
	if len(p.ResponseFormat) > 0 {
		f["response_format"] = p.ResponseFormat
	}
	if p.ReasoningEffort != nil {
		f["reasoning_effort"] = *p.ReasoningEffort
	}
	return f
}

// apply changes the fields according to the quirks.
func apply(fields map[string]any, q provider.Quirks) {
	for _, name := range q.Drop {
		delete(fields, name)
	}
	for name, low := range q.Min {
		if n, ok := asNumber(fields[name]); ok && n < low {
			fields[name] = low
		}
	}
	for name, high := range q.Max {
		if n, ok := asNumber(fields[name]); ok && n > high {
			fields[name] = high
		}
	}
	for from, to := range q.Rename {
		if value, ok := fields[from]; ok && !slices.Contains(q.Drop, to) {
			delete(fields, from)
			fields[to] = value
		}
	}
}

// drop removes a field under both of its names.
func drop(fields map[string]any, name string, q provider.Quirks) {
	delete(fields, name)
	if to, ok := q.Rename[name]; ok {
		delete(fields, to)
	}
}
