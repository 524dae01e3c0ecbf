// Package telemetry is what the cloud says about itself: structured logs with
// fixed keys, Prometheus metrics in one registry, and OpenTelemetry spans, which
// are exported only where an endpoint is configured.
package telemetry

import (
	"context"
	"io"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// The keys a log line may carry from its context; every package uses these.
const (
	KeyRequestID = "request_id"
	KeyProjectID = "project_id"
	KeyServerID  = "server_id"
	KeySaga      = "saga"
	KeyStep      = "step"
	KeyHost      = "host"
)

type contextKey struct{}

// Label adds a fixed key to every log line and span made with the context.
func Label(ctx context.Context, key, value string) context.Context {
	old, _ := ctx.Value(contextKey{}).([]slog.Attr)
	return context.WithValue(ctx, contextKey{}, append(old[:len(old):len(old)], slog.String(key, value)))
}

// RequestID answers the id of the request that the context belongs to.
func RequestID(ctx context.Context) string {
	labels, _ := ctx.Value(contextKey{}).([]slog.Attr)
	for _, a := range labels {
		if a.Key == KeyRequestID {
			return a.Value.String()
		}
	}
	return ""
}

// NewLog writes structured lines to w: JSON, or text where people read.
func NewLog(w io.Writer, level slog.Leveler, text bool) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if text {
		return slog.New(labelled{slog.NewTextHandler(w, o)})
	}
	return slog.New(labelled{slog.NewJSONHandler(w, o)})
}

type labelled struct{ slog.Handler }

func (l labelled) Handle(ctx context.Context, r slog.Record) error {
	if labels, _ := ctx.Value(contextKey{}).([]slog.Attr); len(labels) > 0 {
		r.AddAttrs(labels...)
	}
	return l.Handler.Handle(ctx, r)
}

func (l labelled) WithAttrs(a []slog.Attr) slog.Handler { return labelled{l.Handler.WithAttrs(a)} }
func (l labelled) WithGroup(n string) slog.Handler      { return labelled{l.Handler.WithGroup(n)} }

// NewRegistry makes the registry behind /metrics, with the process's own figures.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// StartTraces exports spans where OTEL_EXPORTER_OTLP_ENDPOINT names a collector,
// and costs nothing elsewhere. The function it answers flushes and ends.
func StartTraces(ctx context.Context, version string) (func(context.Context) error, error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return func(context.Context) error { return nil }, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, err
	}
	p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(resource.NewSchemaless(
		attribute.String("service.name", "altostack"), attribute.String("service.version", version))))
	otel.SetTracerProvider(p)
	return p.Shutdown, nil
}

var tracer = otel.Tracer("altostack")

// Span starts a span; it is free unless traces are exported.
func Span(ctx context.Context, name string) (context.Context, trace.Span) {
	return tracer.Start(ctx, name)
}
