package webhookserver

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// The keys of an app's Secret.
const (
	secretTokenKey       = "secretToken"
	verificationTokenKey = "verificationToken"
	clientSecretKey      = "clientSecret"
)

const (
	// readEvery is how old a Secret in memory gets; a value taken away at Zoom is refused here after that time at most.
	readEvery = 30 * time.Second
	// rereadAfter is how soon a Secret is read again because something did not verify. It bounds what forged requests cost.
	rereadAfter = time.Second
	// readWithin is how long the API server has for one Secret. Requests wait for it only when they have no other choice.
	readWithin = 5 * time.Second
)

// credentials keeps the secrets of all apps in memory, so that Zoom's challenge can be answered while the API server is away. Secrets are read one by one, by name: the operator may not list them.
type credentials struct {
	live   client.Reader
	now    func() time.Time
	logger logr.Logger

	mu    sync.Mutex
	known map[types.NamespacedName]*credential
}

type credential struct {
	reading chan struct{} // holds one token while the Secret is read

	mu     sync.Mutex
	values secretValues
	readAt time.Time
}

// secretValues are the values in an app's Secret by key, newest first.
type secretValues struct {
	secretTokens, verificationTokens, clientSecrets []string
}

func (cr *credential) known() (secretValues, time.Time) {
	cr.mu.Lock()
	defer cr.mu.Unlock()
	return cr.values, cr.readAt
}

// get is what is in an app's Secret; nothing when the Secret is missing or was never readable. What is in memory is returned
// at once, whatever the API server does, unless what is needed is not in it.
func (c *credentials) get(ctx context.Context, app *v1alpha1.ZoomApp, needed func(secretValues) []string) secretValues {
	if values, _ := c.credential(secretKey(app)).known(); len(needed(values)) > 0 {
		return values
	}
	return c.reread(ctx, app)
}

// secretTokens are what Zoom signs an app's events with.
func secretTokens(v secretValues) []string { return v.secretTokens }

// verificationTokens are what Zoom sent with an app's events before it signed them.
func verificationTokens(v secretValues) []string { return v.verificationTokens }

// clientSecrets are what the app proves itself to Zoom with.
func clientSecrets(v secretValues) []string { return v.clientSecrets }

// reread is what is in the Secret after another look at it: a value may have been added a moment ago.
func (c *credentials) reread(ctx context.Context, app *v1alpha1.ZoomApp) secretValues {
	key := secretKey(app)
	cr := c.credential(key)
	select {
	case cr.reading <- struct{}{}:
		defer func() { <-cr.reading }()
	case <-ctx.Done():
		values, _ := cr.known()
		return values
	}
	values, readAt := cr.known()
	if c.now().Sub(readAt) < rereadAfter {
		return values
	}
	return c.read(ctx, key, cr)
}

func secretKey(app *v1alpha1.ZoomApp) types.NamespacedName {
	return types.NamespacedName{Namespace: app.Namespace, Name: app.Spec.CredentialsSecretRef.Name}
}

func (c *credentials) credential(key types.NamespacedName) *credential {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[types.NamespacedName]*credential{}
	}
	cr := c.known[key]
	if cr == nil {
		cr = &credential{reading: make(chan struct{}, 1)}
		c.known[key] = cr
	}
	return cr
}

// read replaces what is known of a Secret. While the API server cannot be reached, what was known holds.
func (c *credentials) read(ctx context.Context, key types.NamespacedName, cr *credential) secretValues {
	// Who goes away must not end a read that others wait for, or nothing would be read while somebody does so every second.
	deadline := time.Now().Add(readWithin)
	if earlier, ok := ctx.Deadline(); ok && earlier.Before(deadline) {
		deadline = earlier
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	var secret corev1.Secret
	err := c.live.Get(ctx, key, &secret)

	cr.mu.Lock()
	defer cr.mu.Unlock()
	cr.readAt = c.now()
	switch {
	case err == nil:
		cr.values = secretValues{
			secretTokens:       lines(secret.Data[secretTokenKey]),
			verificationTokens: lines(secret.Data[verificationTokenKey]),
			clientSecrets:      lines(secret.Data[clientSecretKey]),
		}
	case apierrors.IsNotFound(err):
		cr.values = secretValues{}
	default:
		c.logger.Info("the credentials Secret cannot be read; what was known of it holds", "namespace", key.Namespace, "secret", key.Name, "cause", cause(err))
	}
	return cr.values
}

// run reads the Secrets of all apps again and again, so that they are known before the first event and forgotten when
// they are gone.
func (c *credentials) run(ctx context.Context, apps client.Reader) error {
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	for {
		c.readAll(ctx, apps)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (c *credentials) readAll(ctx context.Context, apps client.Reader) {
	var list v1alpha1.ZoomAppList
	if err := apps.List(ctx, &list); err != nil {
		c.logger.Info("the apps cannot be listed", "cause", cause(err))
		return
	}
	used := map[types.NamespacedName]bool{}
	for i := range list.Items {
		app := &list.Items[i]
		used[secretKey(app)] = true
		c.reread(ctx, app)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.known {
		if !used[key] {
			delete(c.known, key)
		}
	}
}

// lines are the values of a key, one per line.
func lines(value []byte) []string {
	var out []string
	for line := range strings.Lines(string(value)) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}
