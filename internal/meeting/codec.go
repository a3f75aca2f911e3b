package meeting

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// The merge state is one annotation: a version, and then in base64 the watermarks, who waits, the
// watermarks of occurrences and the counts of instances, and a checksum. Numbers are varints, and
// times the distance from the time before. Equal records give equal text, or every event would be a
// write.
//
// An annotation that cannot be read costs what only it knows: late events are taken for new ones
// until the next event of their kind, and instances that go on keep the numbers that they had.
const (
	stateAnnotation = "internal.zoom-operator.io/merge-state"
	stateVersion    = "1."
	// maxState is more than any object has room for.
	maxState = 16 << 10
)

// mergeState is what the annotation of a meeting says. Occurrences and instances are found by a
// hash of their ids.
type mergeState struct {
	marks       watermarks
	waiting     []byte
	occurrences map[uint32]occurrenceMarks
	instances   map[uint32]instance
}

func keyOf(id string) uint32 { return hash("", id) }

// How an instance is counted. The highest bits are the kind of its attendance.
const (
	hasAlerts = 1 << iota
	hasSharing
	sealedAlerts
	sealedSharing
	hasPresent
	hasSessions
	sealedExact
	sealedEstimated
)

// RecordChanged reports whether what Zoom reported of a meeting, from which its status follows,
// changed between two versions of the object: its spec, or its merge state.
func RecordChanged(before, after *v1alpha1.ZoomMeeting) bool {
	return before.Generation != after.Generation || before.Annotations[stateAnnotation] != after.Annotations[stateAnnotation]
}

// storeState writes the merge state of a meeting into its annotation.
func (r *record) storeState(m *v1alpha1.ZoomMeeting) {
	b := r.encodeState()
	if len(b) == 0 {
		delete(m.Annotations, stateAnnotation)
		if len(m.Annotations) == 0 {
			m.Annotations = nil
		}
		return
	}
	if m.Annotations == nil {
		m.Annotations = map[string]string{}
	}
	b = binary.LittleEndian.AppendUint32(b, checksum(m, b))
	m.Annotations[stateAnnotation] = stateVersion + base64.RawStdEncoding.EncodeToString(b)
}

// checksum is that of the merge state of this meeting: the annotation of another one is none.
func checksum(m *v1alpha1.ZoomMeeting, state []byte) uint32 {
	sum := crc32.ChecksumIEEE([]byte(m.Spec.AccountID + "\n" + m.Spec.MeetingID + "\n"))
	return crc32.Update(sum, crc32.IEEETable, state)
}

// decodeState reads what storeState wrote. Anything else counts as nothing known.
func decodeState(m *v1alpha1.ZoomMeeting) mergeState {
	text, ok := strings.CutPrefix(m.Annotations[stateAnnotation], stateVersion)
	if !ok || len(text) > maxState {
		return mergeState{}
	}
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(b) < crc32.Size {
		return mergeState{}
	}
	b, sum := b[:len(b)-crc32.Size], b[len(b)-crc32.Size:]
	if binary.LittleEndian.Uint32(sum) != checksum(m, b) {
		return mergeState{}
	}
	return parseState(b)
}

// stateWriter packs a merge state. Times are in milliseconds.
type stateWriter struct {
	b    []byte
	last int64 // the time before
}

func (w *stateWriter) number(n uint64) { w.b = binary.AppendUvarint(w.b, n) }
func (w *stateWriter) count(n *int32)  { w.number(uint64(max(value(n), 0))) }
func (w *stateWriter) key(id string)   { w.b = binary.LittleEndian.AppendUint32(w.b, keyOf(id)) }
func (w *stateWriter) bytes(b []byte)  { w.number(uint64(len(b))); w.b = append(w.b, b...) }
func (w *stateWriter) time(at int64)   { w.b = binary.AppendVarint(w.b, at-w.last); w.last = at }

// marks packs which of the watermarks there are, and these.
func (w *stateWriter) marks(marks []**int64) {
	w.number(setOf(marks))
	for _, mark := range marks {
		if *mark != nil {
			w.time(**mark)
		}
	}
}

func setOf(marks []**int64) (set uint64) {
	for i, mark := range marks {
		if *mark != nil {
			set |= 1 << i
		}
	}
	return set
}

func (w *stateWriter) tally(t *tally) {
	if t == nil {
		return
	}
	w.time(t.LastAt.UnixMilli())
	if t.Count != nil {
		w.count(t.Count)
	} else {
		w.bytes(t.Seen)
	}
}

func (w *stateWriter) attendance(a *attendance) {
	switch {
	case a == nil:
	case sealed(a):
		w.count(a.Joins)
		w.count(a.Peak)
		if a.Present != nil {
			w.count(a.Present)
		}
	default:
		w.bytes(a.Sessions)
	}
}

// countsOf says what is counted of an instance, and how.
func countsOf(in *instance) (set uint8) {
	if t := in.Alerts; t != nil {
		set |= hasAlerts
		if t.Count != nil {
			set |= sealedAlerts
		}
	}
	if t := in.Sharing; t != nil {
		set |= hasSharing
		if t.Count != nil {
			set |= sealedSharing
		}
	}
	switch a := in.Attendance; {
	case a == nil:
		return set
	case !sealed(a):
		return set | hasSessions
	case a.Precision == v1alpha1.PrecisionEstimated:
		set |= sealedEstimated
	default:
		set |= sealedExact
	}
	if in.Attendance.Present != nil {
		set |= hasPresent
	}
	return set
}

// encodeState packs the merge state of a record; nothing where there is none.
func (r *record) encodeState() []byte {
	w := stateWriter{b: make([]byte, 0, 512)}
	w.marks(r.Watermarks.all())
	w.bytes(r.Waiting)
	changed, counted := 0, 0
	for i := range r.Occurrences {
		if latestChange(&r.Occurrences[i]) != nil {
			changed++
		}
	}
	for i := range r.Instances {
		if countsOf(&r.Instances[i]) != 0 {
			counted++
		}
	}
	if setOf(r.Watermarks.all()) == 0 && len(r.Waiting) == 0 && changed == 0 && counted == 0 {
		return nil
	}
	w.number(uint64(changed))
	for i := range r.Occurrences {
		if o := &r.Occurrences[i]; latestChange(o) != nil {
			w.key(o.ID)
			w.marks(o.Watermarks.all())
		}
	}
	for i := range r.Instances {
		in := &r.Instances[i]
		if set := countsOf(in); set != 0 {
			w.key(in.UUID)
			w.b = append(w.b, set)
			w.attendance(in.Attendance)
			w.tally(in.Alerts)
			w.tally(in.Sharing)
		}
	}
	return w.b
}

// stateReader reads what a stateWriter packed.
type stateReader struct {
	varints

	last int64
}

func (d *stateReader) time() int64 {
	n, size := binary.Varint(d.rest)
	if size <= 0 {
		d.broken, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[size:]
	d.last += n
	return d.last
}

func (d *stateReader) take(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.broken, d.rest = true, nil
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

// bytes is nil where there are none.
func (d *stateReader) bytes() []byte {
	if n := d.next(); n > 0 {
		return d.take(n)
	}
	return nil
}

func (d *stateReader) key() uint32 {
	if b := d.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *stateReader) count() *int32 {
	return new(int32(min(d.next(), 1<<31-1)))
}

func (d *stateReader) marks(marks []**int64) {
	set := d.next()
	if set >= 1<<len(marks) {
		d.broken, d.rest = true, nil
		return
	}
	for i, mark := range marks {
		if set&(1<<i) != 0 {
			*mark = new(d.time())
		}
	}
}

func (d *stateReader) tally(is, isSealed bool) *tally {
	if !is {
		return nil
	}
	t := &tally{LastAt: metav1.Time{Time: time.Unix(d.time()/1000, 0).UTC()}}
	if isSealed {
		t.Count = d.count()
	} else {
		t.Seen = d.bytes()
	}
	return t
}

func (d *stateReader) attendance(set uint8) *attendance {
	if set&hasSessions != 0 {
		return &attendance{Sessions: d.bytes()}
	}
	if set&(sealedExact|sealedEstimated) == 0 {
		return nil
	}
	a := &attendance{Joins: d.count(), Peak: d.count(), Precision: v1alpha1.PrecisionExact}
	if set&hasPresent != 0 {
		a.Present = d.count()
	}
	if set&sealedEstimated != 0 {
		a.Precision = v1alpha1.PrecisionEstimated
	}
	return a
}

// parseState is the inverse of encodeState.
func parseState(b []byte) mergeState {
	d := stateReader{varints: varints{rest: b}}
	var s mergeState
	d.marks(s.marks.all())
	s.waiting = d.bytes()
	changed := min(d.next(), uint64(len(d.rest)))
	s.occurrences = make(map[uint32]occurrenceMarks, changed)
	for range changed {
		key, marks := d.key(), occurrenceMarks{}
		d.marks(marks.all())
		s.occurrences[key] = marks
	}
	s.instances = map[uint32]instance{}
	for len(d.rest) > 0 {
		key := d.key()
		set := d.take(1)
		if set == nil {
			break
		}
		s.instances[key] = instance{
			Attendance: d.attendance(set[0]),
			Alerts:     d.tally(set[0]&hasAlerts != 0, set[0]&sealedAlerts != 0),
			Sharing:    d.tally(set[0]&hasSharing != 0, set[0]&sealedSharing != 0),
		}
	}
	if d.broken {
		return mergeState{}
	}
	return s
}
