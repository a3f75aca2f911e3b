package tracing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// service is the name of the operator, and of the scope of its spans.
	service = "zoom-operator"
	// header is that of W3C Trace Context. Its companion tracestate is not taken: anything can be
	// in it.
	header = "traceparent"
	// flushWithin is how long the end of a process may wait for its last spans to be sent.
	flushWithin = 5 * time.Second
)

// Options say where spans are sent, and how many. What else there is to be set, such as headers
// with which a collector knows its clients, is in the environment, in OpenTelemetry's variables.
type Options struct {
	// Endpoint is the base URL of a collector that takes OTLP over HTTP; empty for off.
	Endpoint string
	// Ratio is the part of all traces that is kept, from 0 to 1.
	Ratio float64
}

// Check says what is wrong with the options, as flags that are set wrongly.
func (o Options) Check() error {
	if o.Ratio < 0 || o.Ratio > 1 || o.Ratio != o.Ratio {
		return fmt.Errorf("--trace-sampling-ratio must be from 0 to 1, not %v", o.Ratio)
	}
	if o.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(o.Endpoint)
	if err == nil && u.User != nil {
		return errors.New("--otlp-endpoint holds a user: what a collector knows its clients by belongs into OTEL_EXPORTER_OTLP_HEADERS, from a Secret")
	}
	if err != nil || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("--otlp-endpoint must be the URL of a collector, for example http://collector.observability:4318, not %q", o.Endpoint)
	}
	return nil
}

// Tracer begins traces. A nil one does not.
type Tracer struct {
	tracer   trace.Tracer
	shutdown func(context.Context) error
	logger   logr.Logger
}

// New returns a tracer of options that Check has found nothing wrong with; nil where they say off.
// The collector need not be there: spans that cannot be sent are dropped, and the log says so.
func New(ctx context.Context, o Options, version string, logger logr.Logger) (*Tracer, error) {
	if o.Endpoint == "" {
		return nil, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(strings.TrimRight(o.Endpoint, "/")+"/v1/traces"))
	if err != nil {
		return nil, err
	}
	// The environment comes last, so that it may name the service in another way.
	about, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", service), attribute.String("service.version", version)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	otel.SetLogger(logger)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logger.Info("Traces could not be sent", "cause", err.Error()) }))
	// Zoom marks every request as sampled. What is kept is this side's to say, by the trace's ID,
	// and so that every process says the same of it.
	kept := sdktrace.TraceIDRatioBased(o.Ratio)
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about),
		sdktrace.WithSampler(sdktrace.ParentBased(kept, sdktrace.WithRemoteParentSampled(kept), sdktrace.WithRemoteParentNotSampled(kept))))
	return &Tracer{tracer: provider.Tracer(service), shutdown: provider.Shutdown, logger: logger}, nil
}

// Shutdown sends what is not sent yet.
func (t *Tracer) Shutdown(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
	defer cancel()
	if err := t.shutdown(ctx); err != nil {
		t.logger.Info("The last traces could not be sent", "cause", err.Error())
	}
}

// Webhook begins the span of a webhook that is proven to be Zoom's, in the trace that Zoom says it
// belongs to. Of any other nothing is to be traced: what a stranger can write into a header is not
// to become a trace. The webhook began to arrive earlier; it ends with an answer and the reason for
// that.
func (t *Tracer) Webhook(ctx context.Context, hdr http.Header, began time.Time, app client.Object, event string) (context.Context, func(code int, reason string)) {
	if t == nil {
		return ctx, func(int, string) {}
	}
	if given := hdr.Values(header); len(given) == 1 {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{header: given[0]})
	}
	ctx, span := t.tracer.Start(ctx, "webhook "+event, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(began),
		trace.WithAttributes(attribute.String("k8s.namespace.name", app.GetNamespace()), attribute.String("zoom.app", app.GetName())))
	return ctx, func(code int, reason string) {
		span.SetAttributes(attribute.Int("http.response.status_code", code), attribute.String("zoom.reason", reason))
		if code >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// Consent begins the trace of an authorization code that a customer brought for an app.
func (t *Tracer) Consent(ctx context.Context, app client.Object) (context.Context, func(outcome string)) {
	return t.begin(ctx, "consent", "zoom.app", app)
}

// Refresh begins the trace of a refresh of an installation's token.
func (t *Tracer) Refresh(ctx context.Context, in client.Object) (context.Context, func(outcome string)) {
	return t.begin(ctx, "refresh", "zoom.installation", in)
}

func (t *Tracer) begin(ctx context.Context, name, key string, obj client.Object) (context.Context, func(outcome string)) {
	if t == nil {
		return ctx, func(string) {}
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithNewRoot(),
		trace.WithAttributes(attribute.String("k8s.namespace.name", obj.GetNamespace()), attribute.String(key, obj.GetName())))
	return ctx, func(outcome string) {
		span.SetAttributes(attribute.String("zoom.reason", outcome))
		span.End()
	}
}

// Step begins a part of what the context is about, and does nothing where that is not traced.
func Step(ctx context.Context, name string) (context.Context, func(error)) {
	around := trace.SpanFromContext(ctx)
	if !around.IsRecording() {
		return ctx, func(error) {}
	}
	ctx, span := around.TracerProvider().Tracer(service).Start(ctx, name)
	return ctx, ending(span)
}

// ending ends a span by whether there was an error, of which nothing else is told.
func ending(span trace.Span) func(error) {
	return func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}
