package tracing

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// Annotation is where an object says which trace its last change belongs to: as traceparent
	// does, with the generation that was changed and the time, in seconds.
	Annotation = "internal.zoom-operator.io/trace"
	// followWithin is how long after a change a trace goes on. What follows later follows from the
	// time of the day and not from the change.
	followWithin = 2 * time.Minute
)

// mark is what the annotation says.
type mark struct {
	parent     string
	generation int64
	at         time.Time
}

func (m mark) String() string { return fmt.Sprintf("%s %d %d", m.parent, m.generation, m.at.Unix()) }

func markOf(obj client.Object) (m mark, ok bool) {
	text, there := obj.GetAnnotations()[Annotation]
	if !there {
		return mark{}, false
	}
	parts := strings.Fields(text)
	if len(parts) != 3 {
		return mark{}, true
	}
	generation, err := strconv.ParseInt(parts[1], 10, 64)
	seconds, err2 := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || err2 != nil {
		return mark{}, true
	}
	return mark{parts[0], generation, time.Unix(seconds, 0)}, true
}

// Carry has a change to an object say which trace it belongs to, for the process that acts on it.
// An object that is not changed otherwise is not changed by that either, so that tracing adds no
// write, and one that is changed outside of any trace loses what it said before.
func Carry[T client.Object](ctx context.Context, now func() time.Time, change func(T) error) func(T) error {
	span := trace.SpanContextFromContext(ctx)
	return func(obj T) error {
		before, marked := markOf(obj)
		if !span.IsSampled() && (!marked || before.generation == obj.GetGeneration()) { // that one came at the same time
			return change(obj)
		}
		unchanged := obj.DeepCopyObject()
		if err := change(obj); err != nil || equality.Semantic.DeepEqual(unchanged, obj) {
			return err
		}
		annotations := obj.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		if delete(annotations, Annotation); span.IsSampled() {
			carrier := propagation.MapCarrier{}
			propagation.TraceContext{}.Inject(ctx, carrier)
			annotations[Annotation] = mark{carrier[header], obj.GetGeneration(), now()}.String()
		}
		obj.SetAnnotations(annotations)
		return nil
	}
}

// Status begins the span of a write of an object's status, where it follows from a change that is
// traced.
func (t *Tracer) Status(ctx context.Context, now time.Time, obj client.Object) (context.Context, func(error)) {
	if t == nil {
		return ctx, func(error) {}
	}
	change, ok := markOf(obj)
	if !ok || obj.GetGeneration() > change.generation+1 || now.Sub(change.at).Abs() > followWithin {
		return ctx, func(error) {}
	}
	parent := propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{header: change.parent})
	if !trace.SpanContextFromContext(parent).IsValid() {
		return ctx, func(error) {}
	}
	ctx, span := t.tracer.Start(parent, "status")
	return ctx, ending(span)
}
