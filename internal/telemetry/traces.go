// Traces over OTLP.

package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// TraceOptions say where to send traces.
type TraceOptions struct {
	Endpoint string            // OTEL_EXPORTER_OTLP_ENDPOINT; empty: no traces
	Headers  map[string]string // sent with every export; the values are secrets
	Service  string            // service.name
	Version  string            // service.version
	Log      *slog.Logger
}

// Traces makes tracers. Without an endpoint they cost nothing and record
// nothing.
type Traces struct{ provider *sdk.TracerProvider }

// StartTraces starts exporting to o.Endpoint + "/v1/traces" as http/protobuf,
// in batches. It does not contact the endpoint: it logs when a collector is
// down, and returns no error. The OTEL_ variables for sampling, compression,
// certificates and resources also apply.
func StartTraces(ctx context.Context, o TraceOptions) (*Traces, error) {
	if o.Endpoint == "" {
		return &Traces{}, nil
	}
	client, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(strings.TrimRight(o.Endpoint, "/")+"/v1/traces"),
		otlptracehttp.WithHeaders(o.Headers))
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithFromEnv(),
		resource.WithAttributes(attribute.String("service.name", o.Service), attribute.String("service.version", o.Version)))
	if err != nil && about == nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return &Traces{provider: sdk.NewTracerProvider(
		sdk.WithBatcher(&exporter{SpanExporter: client, log: o.Log}),
		sdk.WithResource(about),
	)}, nil
}

// Tracer starts spans. It is never nil.
func (t *Traces) Tracer() trace.Tracer {
	if t == nil || t.provider == nil {
		return noop.NewTracerProvider().Tracer("parley")
	}
	return t.provider.Tracer("parley")
}

// Close sends the remaining spans, as long as ctx allows.
func (t *Traces) Close(ctx context.Context) error {
	if t == nil || t.provider == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("flush traces: %w", err)
	}
	return nil
}

// logAgain is how often to log a failing export.
const logAgain = time.Minute

// exporter logs failed exports: the SDK would pass them to a global that
// prints to standard error.
type exporter struct {
	sdk.SpanExporter
	log  *slog.Logger
	last atomic.Int64 // when a failure was last logged, Unix seconds
}

func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	now := time.Now().Unix()
	if last := e.last.Load(); err != nil && now-last >= int64(logAgain.Seconds()) && e.last.CompareAndSwap(last, now) {
		e.log.WarnContext(ctx, "traces not sent", "spans", len(spans), "error", err)
	}
	return nil
}
