package installation

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// deletedUsersAnnotation is which users of an account that installed an app were deleted at Zoom,
// and when: what is known of their meetings is to be deleted, and nothing late brings it back. A
// user is a hash of their ID, which Zoom draws at random, and is remembered while late events are
// taken, and until another user is deleted.
const deletedUsersAnnotation = "internal.zoom-operator.io/deleted-users"

// maxDeletedUsers is how many of them are remembered, at some 50 bytes each; of more, those that
// are remembered the longest.
const maxDeletedUsers = 1024

// deletedUser is one word of the annotation: the hash, and the times in seconds since 1970,
// separated by colons.
type deletedUser struct {
	hash      string
	at, until int64
}

// MergeUserDeleted merges into an installation of an account that a user of it was deleted at Zoom
// at that time, and is to be remembered until then. Those that have served their time are dropped.
func MergeUserDeleted(in *v1alpha1.ZoomInstallation, user string, at, now, until time.Time) {
	all := slices.DeleteFunc(deletedUsers(in), func(u deletedUser) bool { return u.until <= now.Unix() })
	added := deletedUser{hashOfUser(in, user), at.Unix(), until.Unix()}
	switch i := slices.IndexFunc(all, func(u deletedUser) bool { return u.hash == added.hash }); {
	case i >= 0 && all[i].at >= added.at:
		return // a duplicate
	case i >= 0:
		all[i] = added
	default:
		all = append(all, added)
	}
	slices.SortFunc(all, func(a, b deletedUser) int { return cmp.Or(cmp.Compare(a.until, b.until), cmp.Compare(a.hash, b.hash)) })
	words := make([]string, 0, len(all))
	for _, u := range all[max(0, len(all)-maxDeletedUsers):] {
		words = append(words, fmt.Sprintf("%s:%d:%d", u.hash, u.at, u.until))
	}
	if in.Annotations == nil {
		in.Annotations = map[string]string{}
	}
	in.Annotations[deletedUsersAnnotation] = strings.Join(words, " ")
}

// OfDeletedUser reports whether what happened at that time in a meeting of that host is to be
// forgotten, for the host was deleted at Zoom then or later. With no host it reports whether any
// user was.
func OfDeletedUser(in *v1alpha1.ZoomInstallation, host string, at time.Time) bool {
	until, deleted := UserDeleted(in, host)
	return deleted && !at.After(until)
}

// UserDeleted is until when what happened in the meetings of a host is to be forgotten, for the
// host was deleted at Zoom; not ok when the host was not. With no host it is that of the user who
// was deleted last.
func UserDeleted(in *v1alpha1.ZoomInstallation, host string) (until time.Time, ok bool) {
	if in.Annotations[deletedUsersAnnotation] == "" {
		return time.Time{}, false // of nearly all installations
	}
	hash := hashOfUser(in, host)
	for _, u := range deletedUsers(in) {
		if at := time.Unix(u.at, 0).Add(zoom.MaxClockSkew); (host == "" || u.hash == hash) && at.After(until) {
			until, ok = at, true
		}
	}
	return until, ok
}

// DeletedUsersChanged reports whether other users were deleted between two versions of an
// installation.
func DeletedUsersChanged(before, after *v1alpha1.ZoomInstallation) bool {
	return before.Annotations[deletedUsersAnnotation] != after.Annotations[deletedUsersAnnotation]
}

// deletedUsers leaves out what it does not understand.
func deletedUsers(in *v1alpha1.ZoomInstallation) []deletedUser {
	var all []deletedUser
	for word := range strings.FieldsSeq(in.Annotations[deletedUsersAnnotation]) {
		parts := strings.Split(word, ":")
		if len(parts) != 3 {
			continue
		}
		at, err := strconv.ParseInt(parts[1], 10, 64)
		until, err2 := strconv.ParseInt(parts[2], 10, 64)
		if err == nil && err2 == nil {
			all = append(all, deletedUser{parts[0], at, until})
		}
	}
	return all
}

func hashOfUser(in *v1alpha1.ZoomInstallation, user string) string {
	sum := sha256.Sum256([]byte(in.Spec.AccountID + "/" + user))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
