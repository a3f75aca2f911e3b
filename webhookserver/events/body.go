package events

import (
	"errors"
	"io"
	"net/http"
	"os"
	"slices"

	"golang.org/x/sync/semaphore"

	"github.com/zoom-operator/zoom-operator/webhookserver/limits"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
)

// bodies reads the bodies of requests, within the memory that the larger ones may hold together.
type bodies struct{ large *semaphore.Weighted }

var errNoMemory = errors.New("the larger bodies hold all the memory that they may")

// read reads a request's body. Of a large one each step is asked for before it is read, out of what
// those may hold together, until it is released. What the request says of its length does not
// count: behind a proxy every event may come in chunks, and a client that only says so holds
// nothing.
func (b bodies) read(r *http.Request) (raw []byte, release func(), err error) {
	release = func() {}
	raw, err = io.ReadAll(io.LimitReader(r.Body, limits.MaxSmall+1))
	if err != nil || len(raw) <= limits.MaxSmall {
		return raw, release, err
	}
	var held int64
	release = func() { b.large.Release(held) }
	read := [][]byte{raw}
	for {
		// Twice, since the steps are joined in the end.
		if !b.large.TryAcquire(2 * limits.BodyStep) {
			return nil, release, errNoMemory
		}
		held += 2 * limits.BodyStep
		step, err := readStep(r.Body)
		read = append(read, step)
		switch {
		case errors.Is(err, io.EOF):
			return slices.Concat(read...), release, nil
		case err != nil:
			return nil, release, err
		}
	}
}

// readStep reads so much of a body. The error is io.EOF when that was the end; a body that was cut
// off has another.
func readStep(body io.Reader) ([]byte, error) {
	step := make([]byte, limits.BodyStep)
	for n := 0; n < len(step); {
		more, err := body.Read(step[n:])
		n += more
		if err != nil {
			return step[:n], err
		}
	}
	return step, nil
}

// unreadable is the answer to a body that could not be read, of a request that may be Zoom's, or
// not. A slow one may be Zoom's challenge, which need not be signed.
func unreadable(err error, credible bool) error {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return refuse(http.StatusRequestEntityTooLarge, telemetry.ReasonTooLarge)
	}
	switch {
	case errors.Is(err, errNoMemory):
		return retryLater(telemetry.ReasonOverloaded)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return retryLater(reasonSlow)
	case credible: // it was cut off, or broken by what it came through
		return retryLater(reasonCutOff)
	default: // not logged: it is not known to be Zoom's
		return refuse(http.StatusBadRequest, telemetry.ReasonMalformed)
	}
}
