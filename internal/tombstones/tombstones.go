// Package tombstones remembers the ends of consents that no ZoomInstallation records any more, so
// that an event which is older, and comes late, as Zoom's retries do, does not bring back what was
// to be gone.
//
// A tombstone is a salted hash of the consenter and a time, and names no customer. It is kept only
// until no app takes events that are old enough to need it. All those of an app are in one Secret,
// which outlives every process, and the app as well: a ZoomApp that is deleted and created again
// must not forget. Since nothing here lists or watches Secrets, one that is left of an app that is
// gone is known to the process that wrote it alone.
package tombstones

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/commit"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/labels"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// SecretType is the type of the Secret that holds an app's tombstones.
const SecretType corev1.SecretType = "zoom-operator.io/tombstones"

const (
	// maxTombstones is how many tombstones an app has at most, at some 50 bytes each; of more, the
	// latest ones. A thousand installations that are deleted at once are far below it, and a Secret
	// of a megabyte far above.
	maxTombstones = 8192
	// readWithin is for one reading of them.
	readWithin = 2 * time.Second
)

// The keys of the Secret.
const (
	keySalt       = "salt"
	keyTombstones = "tombstones"
)

// ErrForeign means that a Secret of another type has the name of an app's tombstones. It was left
// alone.
var ErrForeign = errors.New("not the tombstones of this ZoomApp; delete the Secret or give it another name")

// Consent is who consented to an app: an account or, with a user, one user of it.
type Consent struct {
	// App is the namespace and the name of the ZoomApp.
	App           types.NamespacedName
	Account, User string
}

// ConsentOf names a consent to an app.
func ConsentOf(app *v1alpha1.ZoomApp, account, user string) Consent {
	return Consent{App: client.ObjectKeyFromObject(app), Account: account, User: user}
}

// Ends are the ends of a consent that are remembered; zero where there is none.
type Ends struct {
	// Deleted is when its ZoomInstallation was deleted here, by the clock of the controller.
	Deleted time.Time
	// Removed is when the customer removed the app, by Zoom's clock, where no ZoomInstallation was
	// to be recorded of it.
	Removed time.Time
}

// Latest is the later of the two.
func (e Ends) Latest() time.Time {
	if e.Removed.After(e.Deleted) {
		return e.Removed
	}
	return e.Deleted
}

// Lifetime is how long a late event of a consent to an app may come; nil for an app that is gone.
// Zoom sends an event again for 85 minutes, and may sign each attempt anew, so the age by the
// signature does not bound it from below. What is read from Zoom's webhook log may be as old as
// that reaches back.
func Lifetime(app *v1alpha1.ZoomApp) time.Duration {
	const retries = 2 * time.Hour
	switch {
	case app == nil:
		return retries
	case app.Spec.DeveloperCredentialsSecretRef != nil:
		return zoom.LogReach + retries
	default:
		return max(time.Duration(app.Spec.MaxEventAgeSeconds)*time.Second, retries)
	}
}

// Store keeps the tombstones of all apps.
type Store struct {
	client client.Client
	live   client.Reader
	now    func() time.Time
	writes *commit.Committer[*corev1.Secret]

	mu    sync.Mutex
	reads map[types.NamespacedName]*reading
	// wrote are the apps that this process has written tombstones of.
	wrote map[types.NamespacedName]bool
}

// New is a store that reads from live, which must be the API server: a cache would need the right
// to list Secrets, and be behind.
func New(c client.Client, live client.Reader, now func() time.Time) *Store {
	return &Store{
		client: c, live: live, now: now,
		writes: &commit.Committer[*corev1.Secret]{Writer: c, Cache: live, Live: live, New: func() *corev1.Secret { return &corev1.Secret{} }},
		reads:  map[types.NamespacedName]*reading{},
		wrote:  map[types.NamespacedName]bool{},
	}
}

// Delete remembers for a while that the installation of a consent was deleted now. Of many that are
// deleted at once, several share a write.
func (s *Store) Delete(ctx context.Context, c Consent, keep time.Duration) error {
	return s.put(ctx, c, tombstone{kind: kindDeleted, at: s.now(), until: s.now().Add(keep)})
}

// Remove remembers for a while that the customer removed the app at that time.
func (s *Store) Remove(ctx context.Context, c Consent, at time.Time, keep time.Duration) error {
	return s.put(ctx, c, tombstone{kind: kindRemoved, at: at, until: s.now().Add(keep)})
}

func (s *Store) put(ctx context.Context, c Consent, t tombstone) error {
	s.mu.Lock()
	s.wrote[c.App] = true
	s.mu.Unlock()
	_, err := s.writes.Commit(ctx, secretKey(c.App), installation.Customer(c.App, c.Account), commit.High, func(secret *corev1.Secret) error {
		return add(secret, c, t, s.now())
	})
	if err != nil {
		return fmt.Errorf("remembering that a consent to ZoomApp %s ended: %w", c.App, err)
	}
	return nil
}

// Find is what is remembered of a consent. The API server is asked after Find was called, never
// before, and by one request per app at a time, however many ask.
func (s *Store) Find(ctx context.Context, c Consent) (Ends, error) {
	secret, err := s.read(ctx, secretKey(c.App))
	if err != nil {
		return Ends{}, fmt.Errorf("reading what is remembered of ZoomApp %s: %w", c.App, err)
	}
	var ends Ends
	if secret == nil || secret.Type != SecretType {
		return ends, nil
	}
	key := hash(secret.Data[keySalt], c)
	for _, t := range decode(secret.Data[keyTombstones]) {
		switch {
		case t.key != key || !s.now().Before(t.until):
		case t.kind == kindDeleted:
			ends.Deleted = t.at
		case t.kind == kindRemoved:
			ends.Removed = t.at
		}
	}
	return ends, nil
}

// Prune takes away the tombstones of an app that have served their time, and the Secret with the
// last of them.
func (s *Store) Prune(ctx context.Context, app types.NamespacedName) error {
	var secret corev1.Secret
	err := s.live.Get(ctx, secretKey(app), &secret)
	switch {
	case apierrors.IsNotFound(err), err == nil && secret.Type != SecretType:
		s.mu.Lock()
		delete(s.wrote, app)
		s.mu.Unlock()
		return nil
	case err != nil:
		return fmt.Errorf("reading Secret %s: %w", secretKey(app), err)
	}
	all := decode(secret.Data[keyTombstones])
	kept := standing(all, s.now())
	switch {
	case len(kept) == len(all) && len(all) > 0:
		return nil
	case len(kept) == 0:
		err = s.client.Delete(ctx, &secret, client.Preconditions{UID: &secret.UID, ResourceVersion: &secret.ResourceVersion})
	default:
		secret.Data[keyTombstones] = encode(kept)
		err = s.client.Update(ctx, &secret)
	}
	if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) { // after a conflict the next time will do
		return fmt.Errorf("pruning Secret %s: %w", secretKey(app), err)
	}
	return nil
}

// Written are the apps that this process has written tombstones of which may still be there.
func (s *Store) Written() []types.NamespacedName {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.wrote))
}

// secretName is the name of the Secret that holds the tombstones of an app.
func secretName(app string) string { return app + "-tombstones" }

func secretKey(app types.NamespacedName) types.NamespacedName {
	return types.NamespacedName{Namespace: app.Namespace, Name: secretName(app.Name)}
}

// add puts a tombstone into the Secret, which may not be there yet, and takes out those that have
// served their time.
func add(secret *corev1.Secret, c Consent, t tombstone, now time.Time) error {
	switch {
	case secret.ResourceVersion == "" && secret.Type == "":
		secret.Type = SecretType
		secret.Data = map[string][]byte{}
	case secret.Type != SecretType:
		return fmt.Errorf("the Secret %s/%s is %w", secret.Namespace, secret.Name, ErrForeign)
	case secret.Data == nil:
		secret.Data = map[string][]byte{}
	}
	if len(secret.Data[keySalt]) == 0 {
		salt := make([]byte, sha256.Size)
		_, _ = rand.Read(salt) // it never fails
		secret.Data[keySalt] = salt
		delete(secret.Data, keyTombstones) // which is of no use without the salt
	}
	labels.KeepMade(secret, c.App.Name, "")
	t.key = hash(secret.Data[keySalt], c)
	all := standing(decode(secret.Data[keyTombstones]), now)
	i := slices.IndexFunc(all, func(old tombstone) bool { return old.key == t.key && old.kind == t.kind })
	switch {
	case i < 0:
		all = append(all, t)
	case t.at.After(all[i].at):
		all[i] = t
	}
	slices.SortStableFunc(all, func(a, b tombstone) int { return cmp.Or(a.until.Compare(b.until), cmp.Compare(a.key, b.key)) })
	if len(all) > maxTombstones {
		all = all[len(all)-maxTombstones:]
	}
	secret.Data[keyTombstones] = encode(all)
	return nil
}

// tombstone is one of the Secret's lines: kind, hash, and the times in milliseconds since 1970,
// separated by spaces.
type tombstone struct {
	kind, key string
	at, until time.Time
}

// The kinds.
const (
	kindDeleted = "d"
	kindRemoved = "r"
)

// hash is 128 bits of who consented, which without the salt say nothing. The ids do not contain a
// slash.
func hash(salt []byte, c Consent) string {
	mac := hmac.New(sha256.New, salt)
	mac.Write([]byte(c.Account + "/" + c.User))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

func encode(all []tombstone) []byte {
	var text strings.Builder
	for _, t := range all {
		fmt.Fprintf(&text, "%s %s %d %d\n", t.kind, t.key, t.at.UnixMilli(), t.until.UnixMilli())
	}
	return []byte(text.String())
}

// decode leaves out what it does not understand.
func decode(data []byte) []tombstone {
	var all []tombstone
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) != 4 {
			continue
		}
		at, err := strconv.ParseInt(fields[2], 10, 64)
		until, err2 := strconv.ParseInt(fields[3], 10, 64)
		if err == nil && err2 == nil {
			all = append(all, tombstone{kind: fields[0], key: fields[1], at: time.UnixMilli(at), until: time.UnixMilli(until)})
		}
	}
	return all
}

// standing are those that have not served their time.
func standing(all []tombstone, now time.Time) []tombstone {
	return slices.DeleteFunc(slices.Clone(all), func(t tombstone) bool { return !now.Before(t.until) })
}

// reading is the reading of one Secret: the one that is under way, and the one that begins after
// it, for callers that came meanwhile. A caller that has just seen that an installation is not
// there must not be answered with what was read before.
type reading struct {
	next *flight
}

type flight struct {
	done   chan struct{}
	secret *corev1.Secret
	err    error
}

// read is the Secret; nil when there is none.
func (s *Store) read(ctx context.Context, key types.NamespacedName) (*corev1.Secret, error) {
	s.mu.Lock()
	r := s.reads[key]
	if r == nil {
		r = &reading{}
		s.reads[key] = r
		go s.fly(key, r) //nolint:contextcheck // the first caller must not end a read that others wait for
	}
	if r.next == nil {
		r.next = &flight{done: make(chan struct{})}
	}
	f := r.next
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.secret, f.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// fly reads for as long as there is a caller that waits.
func (s *Store) fly(key types.NamespacedName, r *reading) {
	for {
		s.mu.Lock()
		f := r.next
		r.next = nil
		if f == nil {
			delete(s.reads, key)
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		f.secret, f.err = s.get(key)
		close(f.done)
	}
}

// get is apart from the first caller, which may give up before the others.
func (s *Store) get(key types.NamespacedName) (*corev1.Secret, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readWithin)
	defer cancel()
	var secret corev1.Secret
	if err := s.live.Get(ctx, key, &secret); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return &secret, nil
}
