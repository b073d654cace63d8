// Package telemetry observes the server: structured logs, Prometheus metrics,
// traces and health.
package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are parley's own metrics. All methods are safe for concurrent use,
// and do nothing on a nil *Metrics, for tests.
type Metrics struct {
	turns        *prometheus.CounterVec
	firstToken   *prometheus.HistogramVec
	firstVisible *prometheus.HistogramVec
	finalDelay   *prometheus.HistogramVec
	edits        *prometheus.CounterVec
	limited      *prometheus.CounterVec
	budget       *prometheus.GaugeVec
	errors       *prometheus.CounterVec
	tokens       *prometheus.CounterVec
	received     *prometheus.HistogramVec
	running      *prometheus.GaugeVec
}

// NewMetrics registers parley's metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	seconds := []float64{.05, .1, .15, .2, .25, .3, .4, .5, .75, 1, 1.5, 2, 3, 5, 10, 20, 40, 80}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "parley", Name: name, Help: help}, labels)
		r.MustRegister(v)
		return v
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "parley", Name: name, Help: help, Buckets: seconds}, labels)
		r.MustRegister(v)
		return v
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "parley", Name: name, Help: help}, labels)
		r.MustRegister(v)
		return v
	}
	return &Metrics{
		turns:        counter("turns_total", "Answers that ended: outcome is answered, failed, stopped, refused.", "platform", "bot", "outcome"),
		firstToken:   histogram("first_token_seconds", "From asking a provider to its first token, waiting in its queue and retries included.", "provider"),
		firstVisible: histogram("first_visible_seconds", "From the model's first token to the posted first words.", "platform"),
		finalDelay:   histogram("final_seconds", "From the model's last token to the confirmed final text.", "platform"),
		edits:        counter("platform_calls_total", "Calls that write answers: call is post, edit, upload, or start, append, end of Slack's own streaming; purpose is first, growth, final, continuation.", "platform", "call", "purpose"),
		limited:      counter("platform_429_total", "Calls that a platform refused with 429.", "platform", "call"),
		budget:       gauge("platform_budget_calls", "Calls per minute believed to be allowed.", "budget"),
		errors:       counter("provider_errors_total", "Failed model requests, by kind.", "provider", "kind"),
		tokens:       counter("tokens_total", "Tokens as the endpoint reports them, or estimated.", "provider", "direction"),
		received:     histogram("received_seconds", "From a platform's delivery to being stored.", "platform"),
		running:      gauge("answers_running", "Answers being written now.", "platform"),
	}
}

// Turn counts an ended answer: outcome is "answered", "failed", "stopped" or
// "refused". An answer left to the next owner has not ended.
func (m *Metrics) Turn(platform, bot, outcome string) {
	if m != nil {
		m.turns.WithLabelValues(platform, bot, outcome).Inc()
	}
}

// FirstToken observes the time from asking a provider to its first token,
// including the provider's queue and retries.
func (m *Metrics) FirstToken(provider string, d time.Duration) {
	if m != nil {
		m.firstToken.WithLabelValues(provider).Observe(d.Seconds())
	}
}

// FirstVisible observes the time from the first token to the posted first
// words.
func (m *Metrics) FirstVisible(platform string, d time.Duration) {
	if m != nil {
		m.firstVisible.WithLabelValues(platform).Observe(d.Seconds())
	}
}

// Final observes the time from the last token to the confirmed final text.
func (m *Metrics) Final(platform string, d time.Duration) {
	if m != nil {
		m.finalDelay.WithLabelValues(platform).Observe(d.Seconds())
	}
}

// Call counts one platform call: call is "post", "edit", "upload", or "start",
// "append", "end" of Slack's own streaming; purpose is "first", "growth", "final"
// or "continuation".
func (m *Metrics) Call(platform, call, purpose string) {
	if m != nil {
		m.edits.WithLabelValues(platform, call, purpose).Inc()
	}
}

// Limited counts one 429. Adapters call it for every call they make.
func (m *Metrics) Limited(platform, call string) {
	if m != nil {
		m.limited.WithLabelValues(platform, call).Inc()
	}
}

// Budget sets the calls per minute that a budget now assumes to be allowed.
func (m *Metrics) Budget(key string, perMinute float64) {
	if m != nil {
		m.budget.WithLabelValues(key).Set(perMinute)
	}
}

// ForgetBudget removes the series of a budget that is no longer used.
func (m *Metrics) ForgetBudget(key string) {
	if m != nil {
		m.budget.DeleteLabelValues(key)
	}
}

// ProviderError counts one failed model request.
func (m *Metrics) ProviderError(provider, kind string) {
	if m != nil {
		m.errors.WithLabelValues(provider, kind).Inc()
	}
}

// Tokens counts tokens in and out.
func (m *Metrics) Tokens(provider string, in, out int) {
	if m != nil {
		m.tokens.WithLabelValues(provider, "in").Add(float64(max(0, in)))
		m.tokens.WithLabelValues(provider, "out").Add(float64(max(0, out)))
	}
}

// Received observes how long a platform waited for the acknowledgment.
func (m *Metrics) Received(platform string, d time.Duration) {
	if m != nil {
		m.received.WithLabelValues(platform).Observe(d.Seconds())
	}
}

// Running adds delta to the number of answers being written.
func (m *Metrics) Running(platform string, delta int) {
	if m != nil {
		m.running.WithLabelValues(platform).Add(float64(delta))
	}
}
