package scenarios

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// unread are the fields that scenarios leave out: the operator's bookkeeping, and references.
var unread = []string{"appRef", "installationRef", "watermarks", "waiting", "attendance", "instances.alerts", "instances.sharing"}

// Render writes the meetings as YAML: with the times as a scenario writes them, and of each
// condition the reason alone.
func (s *Scenario) Render(meetings []v1alpha1.ZoomMeeting) string {
	slices.SortFunc(meetings, func(a, b v1alpha1.ZoomMeeting) int {
		return cmp.Or(cmp.Compare(a.Spec.MeetingID, b.Spec.MeetingID), cmp.Compare(a.Spec.AccountID, b.Spec.AccountID))
	})
	documents := make([]string, 0, len(meetings))
	for i := range meetings {
		m := meetings[i].DeepCopy()
		conditions := m.Status.Conditions
		m.Status.Conditions = nil
		var b strings.Builder
		b.WriteString("spec:\n" + s.block(m.Spec) + "status:\n" + s.block(m.Status) + "  conditions: {")
		for j, c := range conditions {
			fmt.Fprintf(&b, "%s%s: %s", strings.Repeat(", ", min(j, 1)), c.Type, c.Reason)
		}
		b.WriteString("}\n")
		documents = append(documents, b.String())
	}
	if len(documents) == 0 {
		return "# There is no meeting.\n"
	}
	return strings.Join(documents, "---\n")
}

// block is an object with a line for each field. What does not fit in one is a block of its own,
// and so is a list in the object itself.
func (s *Scenario) block(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // types of an API can be encoded
	}
	var b strings.Builder
	for _, f := range s.decode(raw).(object) { //nolint:forcetypeassert // it is a struct
		write(&b, "  ", f)
	}
	return b.String()
}

// lineLength is how long a line gets.
const lineLength = 130

func write(b *strings.Builder, indent string, f field) {
	line := indent + f.key + ": " + flow(f.value) + "\n"
	list, isList := f.value.([]any)
	fields, isObject := f.value.(object)
	switch {
	case isList && (len(line) > lineLength || f.key == "instances"):
		b.WriteString(indent + f.key + ":\n")
		for _, item := range list {
			b.WriteString(indent + "- " + flow(item) + "\n")
		}
	case isObject && len(line) > lineLength:
		b.WriteString(indent + f.key + ":\n")
		for _, inner := range fields {
			write(b, indent+"  ", inner)
		}
	default:
		b.WriteString(line)
	}
}

// object is a JSON object whose fields are in order.
type object []field

type field struct {
	key   string
	value any
}

func (s *Scenario) decode(raw []byte) any {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return s.value(d, "")
}

// value is the next value, without unread fields.
func (s *Scenario) value(d *json.Decoder, key string) any {
	token, err := d.Token()
	if err != nil {
		panic(err) // it was encoded a moment ago
	}
	switch token {
	case json.Delim('{'):
		fields := object{}
		for d.More() {
			name, _ := d.Token()
			inner := fmt.Sprint(name)
			v := s.value(d, inner)
			if !slices.Contains(unread, inner) && !slices.Contains(unread, key+"."+inner) {
				fields = append(fields, field{inner, v})
			}
		}
		_, _ = d.Token()
		return fields
	case json.Delim('['):
		list := []any{}
		for d.More() {
			list = append(list, s.value(d, key))
		}
		_, _ = d.Token()
		return list
	}
	if text, ok := token.(string); ok {
		return s.text(key, text)
	}
	return token
}

// text is a string, or a time as a scenario writes it.
func (s *Scenario) text(key, text string) any {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return s.clock(at)
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && key == "id" {
		return s.clock(time.UnixMilli(ms))
	}
	return text
}

func (s *Scenario) clock(at time.Time) string {
	const day = 24 * time.Hour
	d := at.Sub(s.Day)
	ofDay := (d%day + day) % day
	clock := strings.TrimSuffix(time.Time{}.Add(ofDay).Format(time.TimeOnly), ":00")
	if days := (d - ofDay) / day; days != 0 {
		clock += fmt.Sprintf("%+dd", days)
	}
	return clock
}

// flow is a value in one line.
func flow(v any) string {
	var parts []string
	switch v := v.(type) {
	case object:
		for _, f := range v {
			parts = append(parts, f.key+": "+flow(f.value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		for _, item := range v {
			parts = append(parts, flow(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	default:
		return fmt.Sprint(v)
	}
}
