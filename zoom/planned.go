package zoom

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// pageSize is how many meetings a page has at most, which is Zoom's default: an item may have an
// agenda of thousands of characters, and answers are bounded.
const pageSize = 30

// PlannedMeeting is a meeting as its host has planned it. Agendas, links, passcodes and e-mails in
// Zoom's answer are not decoded.
type PlannedMeeting struct {
	Meeting

	// CreatedAt is when it was planned first; zero when Zoom did not say.
	CreatedAt time.Time
}

// UpcomingMeetings reads a page of the meetings that a user hosts and that are still to come, the
// first one with an empty page, and says what the next one is called; empty after the last. Zoom
// forgets pages after 15 minutes. Meetings without a plan are not among them, and those of the next
// six months only. A series may be among them once, or with each of its dates. That needs the scope
// meeting:read:list_meetings, or meeting:read:list_meetings:admin for another user than Me. apiURL
// is the one of the Token.
func (o *OAuth) UpcomingMeetings(ctx context.Context, accessToken, apiURL, user, page string) (list []PlannedMeeting, next string, err error) {
	query := url.Values{"type": {"upcoming"}, "page_size": {strconv.Itoa(pageSize)}}
	if page != "" {
		query.Set("next_page_token", page)
	}
	answer, err := o.meeting(ctx, "/v2/users/"+url.PathEscape(user)+"/meetings?"+query.Encode(), accessToken, apiURL)
	items, ok := answer.objects("meetings")
	if err == nil && !ok {
		err = errUnusable
	}
	if err != nil {
		return nil, "", fmt.Errorf("zoom: listing the meetings of a user: %w", err)
	}
	for _, item := range items {
		if m := plannedMeeting(item); m.ID != "" {
			list = append(list, m)
		}
	}
	return list, answer.text("next_page_token"), nil
}

// Plan reads what is planned under a meeting number, with the dates of a series. That needs the
// scope meeting:read:meeting. apiURL is the one of the Token.
func (o *OAuth) Plan(ctx context.Context, accessToken, apiURL, number string) (*PlannedMeeting, error) {
	answer, err := o.meeting(ctx, "/v2/meetings/"+url.PathEscape(number), accessToken, apiURL)
	plan := plannedMeeting(answer.object)
	if err == nil && plan.ID != number {
		err = errUnusable
	}
	if err != nil {
		return nil, fmt.Errorf("zoom: reading the plan of a meeting: %w", err)
	}
	return &plan, nil
}

func plannedMeeting(o object) PlannedMeeting {
	m := PlannedMeeting{Meeting: meetingOf(o)}
	m.EndTime = nil // no plan has one
	if at, zoned := o.zonedTime("created_at"); zoned {
		m.CreatedAt = *at
	}
	if m.UsePMI == nil && m.PMI != "" && m.PMI != m.ID {
		m.UsePMI = new(true) // in lists only the number says so, which others have none of
	}
	return m
}
