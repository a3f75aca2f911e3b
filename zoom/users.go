package zoom

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
)

// Me is the user of an access token, wherever a user is named.
const Me = "me"

// usersPage is how many users a page has. Zoom has up to 2000; answers are bounded.
const usersPage = 100

// ActiveUsers reads a page of the IDs of an account's users who have accepted their invitation and
// are not deactivated, the first page with an empty one, and says what the next one is called;
// empty after the last. Zoom forgets pages after 15 minutes. Names, e-mails and departments in
// Zoom's answer are not decoded. That needs the scope user:read:list_users:admin. apiURL is the one
// of the Token.
// https://developers.zoom.us/docs/api/users/#tag/users/get/users
func (o *OAuth) ActiveUsers(ctx context.Context, accessToken, apiURL, page string) (ids []string, next string, err error) {
	query := url.Values{"status": {"active"}, "page_size": {strconv.Itoa(usersPage)}}
	if page != "" {
		query.Set("next_page_token", page)
	}
	answer, err := o.meeting(ctx, "/v2/users?"+query.Encode(), accessToken, apiURL)
	items, ok := answer.objects("users")
	if err == nil && !ok {
		err = errUnusable
	}
	if err != nil {
		return nil, "", fmt.Errorf("zoom: listing the users of an account: %w", err)
	}
	for _, item := range items {
		if id := item.scalar("id"); userIDPattern.MatchString(id) {
			ids = append(ids, id)
		}
	}
	return ids, answer.text("next_page_token"), nil
}
