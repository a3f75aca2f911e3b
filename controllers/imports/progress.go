package imports

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/cache"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	// maxRemembered is how many imports that are under way are remembered, each with what one user
	// has planned, some ten kilobytes.
	maxRemembered = 1024
	// rememberedFor is how long one is remembered that does not go on.
	rememberedFor = 10 * time.Minute
	// maxFailed is of how many users in a row Zoom may answer with an error until it is not taken
	// for the users' but for Zoom's own. Users who were put aside are tried again after asideFor,
	// and after pauses that double, maxRounds times: for half a day.
	maxFailed, asideFor, maxRounds = 3, 5 * time.Minute, 7
	// maxAside bounds those who are to be tried again.
	maxAside = 100
)

// progress is how far an import has come. It is in memory: what is lost of it is asked for again,
// and stored already.
type progress struct {
	// consent is when that of the import was given.
	consent metav1.Time
	// slot is when the next call may be made, which is reserved; zero while none is.
	slot time.Time
	// users are those whose meetings are still to be read, the first of them now; of a user's own
	// consent that is zoom.Me alone. listed means that they are known.
	users  []string
	listed bool
	// aside are users of whom Zoom answers with errors, by their keys until the users are listed:
	// they are read again after all others. asideAt is when the last one was put aside, and failed
	// how many in a row.
	aside   []string
	asideAt time.Time
	failed  int
	// rounds is how often that was done, and next when it is to be done again; zero while users are
	// being read. unread are users who were given up.
	rounds int
	next   time.Time
	unread int
	// page is what the next page of a list is called, empty for the first one.
	page string
	// list are the meetings of the first user that are to be stored, or all that were read so far.
	// read means that this is all.
	list []zoom.PlannedMeeting
	read bool
	// of is how many users there are in all, unless it is a user's own consent, and last the last
	// one that is done. Until the users are listed, of is what was recorded.
	of   int
	last string
	// recorded is how many users were done when that was recorded; negative while it was not.
	recorded int
	// text is what was recorded of it, and began what that was at its beginning. When it is another
	// one, it is to begin anew.
	text, began string
	// meetings are those of the users who are done, and current is how many were read of the user
	// who is not: of these an import that is resumed reads all again.
	meetings, current int
	// listOnly means that Zoom has said that the plans of series may not be read.
	listOnly bool
}

// done is of how many users of an account the meetings were read.
func (p *progress) done() int {
	switch {
	case p.of == 0:
		return 0
	case !p.listed:
		return max(p.recorded, 0)
	}
	return p.of - len(p.users) - len(p.aside) - p.unread
}

// begin is the beginning of an import of a user's own consent.
func begin(consent metav1.Time) *progress {
	return &progress{consent: consent, users: []string{zoom.Me}, listed: true}
}

// resume is the beginning of an import of an account, after what was recorded of it. Its users are
// still to be listed.
func resume(consent metav1.Time, recorded *installation.Import) *progress {
	p := &progress{consent: consent, recorded: -1}
	if recorded != nil {
		p.meetings, p.last, p.recorded, p.of = recorded.Meetings, recorded.Last, recorded.Users, recorded.AllUsers
		p.aside, p.rounds, p.next = recorded.Aside, recorded.Rounds, recorded.Next
	}
	return p
}

// allListed takes in that these are all users of the account.
func (p *progress) allListed() {
	slices.SortFunc(p.users, func(a, b string) int { return strings.Compare(keyOf(a), keyOf(b)) })
	p.users = slices.Compact(p.users)
	p.of, p.listed, p.page = len(p.users), true, ""
	again := p.aside
	p.aside = nil
	done := -p.recorded
	p.users = slices.DeleteFunc(p.users, func(user string) bool {
		key := keyOf(user)
		switch {
		case slices.Contains(again, key):
			p.aside = append(p.aside, user)
			return true
		case key <= p.last:
			done++
			return true
		}
		return false
	})
	if len(again) >= maxAside { // others may have been given up; or else users have joined
		p.unread = max(done, 0)
	}
	if p.rounds > 0 && p.next.IsZero() { // in the midst of a round
		p.users, p.aside = append(p.users, p.aside...), nil
	}
}

// goOn goes on to the next user.
func (p *progress) goOn() {
	p.passed()
	p.failed = 0
	p.users, p.list, p.read, p.page = p.users[1:], nil, false, ""
	p.meetings, p.current = p.meetings+p.current, 0
}

// passed takes in that the first user is done, or put aside.
func (p *progress) passed() {
	if p.of > 0 && p.rounds == 0 {
		p.last = keyOf(p.users[0])
	}
}

// mayPutAside says whether the first user can be put aside, of whom Zoom has answered with an
// error. When it does so of several in a row it is taken for Zoom's own trouble, in which no more
// than one is put aside in that time.
func (p *progress) mayPutAside(now time.Time) bool {
	return p.failed < maxFailed || now.Sub(p.asideAt) >= asideFor
}

// putAside goes on to the next user, and comes back to this one when there is no other, unless too
// many are to be tried again.
func (p *progress) putAside(now time.Time) {
	p.passed()
	p.failed, p.asideAt = p.failed+1, now
	if len(p.aside) < maxAside {
		p.aside = append(p.aside, p.users[0])
	} else {
		p.unread++
	}
	p.users, p.list, p.read, p.page, p.current = p.users[1:], nil, false, "", 0
}

// again has the list that is being read begin anew: Zoom forgets its pages.
func (p *progress) again() {
	switch {
	case p.page == "":
	case !p.listed:
		p.page, p.users = "", nil
	case !p.read:
		p.page, p.list = "", nil
	}
}

// roundAt has those tried again who were put aside, when it is time, and says when that is; zero
// when they are to be tried now, and not ok when there are none, or they are given up.
func (p *progress) roundAt(now time.Time) (at time.Time, ok bool) {
	switch {
	case len(p.aside) == 0:
		return time.Time{}, false
	case p.next.IsZero() && p.rounds >= maxRounds:
		p.unread, p.aside = p.unread+len(p.aside), nil
		return time.Time{}, false
	case p.next.IsZero():
		p.next = now.Add(asideFor << p.rounds)
	}
	if p.next.After(now) {
		return p.next, true
	}
	p.rounds, p.next, p.failed = p.rounds+1, time.Time{}, 0
	p.users, p.aside = append(p.users, p.aside...), nil
	return time.Time{}, true
}

// missing are the users up to the last one that is done who are not.
func (p *progress) missing() []string {
	if p.rounds == 0 {
		return p.aside
	}
	return slices.Concat(p.users, p.aside)
}

// result is what has become of an import so far: of an account what its users had planned who are
// done.
func (p *progress) result(app *v1alpha1.ZoomApp, reason string) installation.Import {
	meetings := p.meetings
	if p.of == 0 {
		meetings += p.current
	}
	i := installation.Import{
		Reason: reason, Meetings: meetings, Bound: int(app.Spec.Retention.Meetings), Users: p.done(), AllUsers: p.of,
		Last: p.last, Aside: p.aside, Rounds: p.rounds, Next: p.next,
	}
	if p.listed {
		i.Aside = nil
		for _, user := range p.missing() {
			i.Aside = append(i.Aside, keyOf(user))
		}
	}
	return i
}

// keyOf is where a user is in the order in which they are read, which does not depend on when they
// joined. It is recorded, and is no ID.
func keyOf(user string) string {
	sum := sha256.Sum256([]byte(user))
	return hex.EncodeToString(sum[:8])
}

// imports are those under way, by the UID of the installation. The zero value is ready.
type imports struct {
	once sync.Once
	lru  *cache.LRUExpireCache
}

func (i *imports) all() *cache.LRUExpireCache {
	i.once.Do(func() { i.lru = cache.NewLRUExpireCache(maxRemembered) })
	return i.lru
}

// of is how far the import of a consent has come; nil when that is not known.
func (i *imports) of(uid types.UID, consent metav1.Time) *progress {
	known, ok := i.all().Get(uid)
	if !ok {
		return nil
	}
	p := known.(*progress) //nolint:forcetypeassert // nothing else is in it
	if !p.consent.Equal(&consent) {
		return nil
	}
	return p
}

// remember remembers it, if there is anything that would have to be done again.
func (i *imports) remember(uid types.UID, p *progress) {
	if p.slot.IsZero() && p.page == "" && !p.read && (p.of == 0 || !p.listed) {
		i.forget(uid)
		return
	}
	i.all().Add(uid, p, rememberedFor)
}

func (i *imports) forget(uid types.UID) { i.all().Remove(uid) }
