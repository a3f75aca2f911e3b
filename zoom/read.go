package zoom

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// PastMeeting is an instance of a meeting that is over. The names, e-mails and topics in Zoom's
// answer are not decoded.
type PastMeeting struct {
	// UUID is that of the instance.
	UUID string

	// EndTime is when it ended; zero when Zoom did not say.
	EndTime time.Time
}

// ScheduledMeeting is what Zoom says of a meeting number at this time. The names, links, passcodes
// and topics in Zoom's answer are not decoded.
type ScheduledMeeting struct {
	// UUID is that of the instance that is being held, or of the next one. What it is of a meeting
	// number that is used more than once is not documented.
	UUID string

	// Status is whether it is being held: StatusStarted or StatusWaiting.
	Status string

	// AnsweredAt is when Zoom said so, by its own clock and to the second; zero when it did not
	// say.
	AnsweredAt time.Time
}

// The statuses of a ScheduledMeeting.
const (
	// StatusStarted means that the meeting is being held.
	StatusStarted = "started"
	// StatusWaiting means that it is not.
	StatusWaiting = "waiting"
)

// PastMeeting reads an instance that is over, by its uuid. That needs the scope
// meeting:read:past_meeting, or meeting:read:past_meeting:admin in an admin-managed app. apiURL is
// the one of the Token. The error wraps ErrNoMeeting while the instance is being held.
func (o *OAuth) PastMeeting(ctx context.Context, accessToken, apiURL, uuid string) (*PastMeeting, error) {
	answer, err := o.meeting(ctx, "/v2/past_meetings/"+escapeUUID(uuid), accessToken, apiURL)
	if err == nil && answer.scalar("uuid") == "" {
		err = errUnusable
	}
	if err != nil {
		return nil, fmt.Errorf("zoom: reading a past meeting: %w", err)
	}
	past := &PastMeeting{UUID: answer.scalar("uuid")}
	if end, zoned := answer.zonedTime("end_time"); end != nil && zoned {
		past.EndTime = *end
	}
	return past, nil
}

// ScheduledMeeting reads what Zoom says of a meeting number at this time. That needs the scope
// meeting:read:meeting, or meeting:read:meeting:admin in an admin-managed app. apiURL is the one of
// the Token.
func (o *OAuth) ScheduledMeeting(ctx context.Context, accessToken, apiURL, number string) (*ScheduledMeeting, error) {
	answer, err := o.meeting(ctx, "/v2/meetings/"+url.PathEscape(number), accessToken, apiURL)
	status := answer.text("status")
	if err == nil && status != StatusStarted && status != StatusWaiting {
		err = errUnusable
	}
	if err != nil {
		return nil, fmt.Errorf("zoom: reading a meeting: %w", err)
	}
	return &ScheduledMeeting{UUID: answer.scalar("uuid"), Status: status, AnsweredAt: answer.date}, nil
}

// escapeUUID is a uuid as a segment of a path. Zoom's rule is to escape one twice that begins with
// a slash or has two in a row.
func escapeUUID(uuid string) string {
	escaped := url.QueryEscape(uuid)
	if strings.HasPrefix(uuid, "/") || strings.Contains(uuid, "//") {
		escaped = url.QueryEscape(escaped)
	}
	return escaped
}

// meetingCodes are those of the resources of meetings.
var meetingCodes = map[string]error{
	"200":   ErrPlan,
	"1001":  ErrHost,
	"1010":  ErrHost,
	"3000":  ErrNoMeeting, // it is a webinar
	"3001":  ErrNoMeeting,
	"12702": ErrNoMeeting, // it was over a year ago
}

// meeting reads a resource of meetings.
func (o *OAuth) meeting(ctx context.Context, path, accessToken, apiURL string) (answer, error) {
	a, err := o.get(ctx, path, accessToken, apiURL, meetingCodes)
	if e, ok := errors.AsType[*StatusError](err); ok && e.Status == http.StatusForbidden {
		err = ErrHost
	}
	return a, err
}
