package zoom

import "regexp"

// What ids look like. Zoom documents neither form.
var (
	accountIDPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	userIDPattern    = regexp.MustCompile(`^[A-Za-z0-9_.+/=-]{1,128}$`)
)

// IsAccountID reports whether a text can be the id of an account.
func IsAccountID(id string) bool { return accountIDPattern.MatchString(id) }

// IsUserID reports whether a text can be the id of a user.
func IsUserID(id string) bool { return userIDPattern.MatchString(id) }
