// Package collector is an OpenTelemetry collector for tests: it takes spans by OTLP over HTTP, as a
// real one does, and keeps them.
package collector

import (
	"compress/gzip"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Span is one that the collector has received.
type Span struct {
	Name, Trace, ID, Parent string
	// Failed says that its status is Error.
	Failed bool
	// Attributes are those of the span that are texts.
	Attributes map[string]string
	// Text is all that is in it, as JSON.
	Text string
}

// Collector keeps what it is sent.
type Collector struct {
	// URL is its base URL.
	URL string

	mu       sync.Mutex
	spans    []Span
	resource []string
	errs     []error
}

// New starts a collector, which ends with the test and fails it when it was sent what it cannot
// read.
func New(t *testing.T) *Collector {
	t.Helper()
	c := &Collector{}
	server := httptest.NewServer(c)
	c.URL = server.URL
	t.Cleanup(func() {
		server.Close()
		if err := errors.Join(c.errs...); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Spans are those that it has received so far.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Resources are what the spans come from, as JSON.
func (c *Collector) Resources() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.resource)
}

func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.take(r); err != nil {
		c.errs = append(c.errs, err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf") // and an empty message in it
}

func (c *Collector) take(r *http.Request) error {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" {
		return errors.New("a collector does not know " + r.Method + " " + r.URL.Path)
	}
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			return err
		}
		body = unzipped
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	var request collectorpb.ExportTraceServiceRequest
	if err := proto.Unmarshal(raw, &request); err != nil {
		return err
	}
	for _, from := range request.GetResourceSpans() {
		c.resource = append(c.resource, protojson.Format(from.GetResource()))
		for _, scope := range from.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.spans = append(c.spans, read(span))
			}
		}
	}
	return nil
}

func read(span *tracepb.Span) Span {
	s := Span{
		Name: span.GetName(), Trace: hex.EncodeToString(span.GetTraceId()), ID: hex.EncodeToString(span.GetSpanId()),
		Parent: hex.EncodeToString(span.GetParentSpanId()), Failed: span.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR,
		Attributes: map[string]string{}, Text: protojson.Format(span),
	}
	for _, a := range span.GetAttributes() {
		if text := a.GetValue().GetStringValue(); text != "" {
			s.Attributes[a.GetKey()] = text
		}
	}
	return s
}
