package consent_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/consent"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const connectedTitle = "Zoom is connected"

// held is a fault that holds requests until they are let go, and says when one has come.
type held struct {
	came chan struct{}
	goOn chan struct{}
}

func hold() held { return held{came: make(chan struct{}, 16), goOn: make(chan struct{})} }

// before holds them before Zoom sees them.
func (h held) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.came <- struct{}{}
		<-h.goOn
		next.ServeHTTP(w, r)
	})
}

// after holds the answers.
func (h held) after(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		h.came <- struct{}{}
		<-h.goOn
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // a browser that went away needs none
	})
}

func TestAPageLoadedAgainDuringTheExchange(t *testing.T) {
	s := servertest.NewStage(t)
	v, stranger := s.Browser(t), s.Browser(t)
	callback := v.Callback(t, "", servertest.Ana)
	stranger.Begin(t, "") // has a cookie too
	exchange := hold()
	s.Zoom.Inject(zoomtest.StepExchange, -1, exchange.before)
	pages := v.Together(t, 4, func() servertest.Seen { return v.Open(t, callback) })
	<-exchange.came
	showsProblem(t, stranger.Open(t, callback), "unknown_state")
	close(exchange.goOn)
	for _, page := range pages() {
		if page.Status != http.StatusOK || page.Title() != connectedTitle {
			t.Errorf("status %d, %q", page.Status, page.Title())
		}
	}
	if asked := s.Asked(zoomtest.StepExchange); asked != 1 {
		t.Errorf("the code went to Zoom %d times", asked)
	}
	s.Lives(t)
	for name, page := range map[string]servertest.Seen{"the callback": stranger.Open(t, callback), "its state alone": stranger.Open(t, strings.Replace(callback, "code=", "code=x", 1))} {
		if page.Title() == connectedTitle {
			t.Errorf("a stranger gets somebody's page by %s", name)
		}
	}
	s.Quiet(t)
}

func TestAButtonPressedTwice(t *testing.T) {
	s := servertest.NewStage(t)
	v := s.Browser(t)
	page := v.Open(t, v.FromZoom(t, servertest.Ana))
	_, after, _ := strings.Cut(page.Body, `name="state" value="`)
	state, _, _ := strings.Cut(after, `"`)
	exchange := hold()
	s.Zoom.Inject(zoomtest.StepExchange, -1, exchange.before)
	pages := v.Together(t, 2, func() servertest.Seen {
		return v.Do(t, http.MethodPost, s.Path(urls.Confirm), map[string][]string{"state": {state}})
	})
	<-exchange.came
	close(exchange.goOn)
	for _, page := range pages() {
		if page.Title() != connectedTitle {
			t.Errorf("a click leads to %q", page.Title())
		}
	}
	if asked := s.Asked(zoomtest.StepExchange); asked != 1 {
		t.Errorf("the code went to Zoom %d times", asked)
	}
	s.Lives(t)
}

// Nothing else than what certainly spent no code lets it go to Zoom again.
func TestWhatIsTriedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		fault zoomtest.Fault
		first string
		// again is how often Zoom is asked when the page is loaded again.
		asked int
		then  string // the reason of that page; empty when the account is connected
	}{
		"Zoom wants to be left alone":            {zoomtest.Before(zoomtest.RateLimited("1")), "rate_limited", 2, ""},
		"Zoom refuses the app":                   {zoomtest.Before(zoomtest.Answer(http.StatusUnauthorized, `{"error":"invalid_client"}`)), "client_refused", 2, ""},
		"the answer gets lost":                   {zoomtest.After(zoomtest.Dropped), "zoom_unreachable", 1, "zoom_unreachable"},
		"a server in between fails":              {zoomtest.Before(zoomtest.Page(http.StatusBadGateway)), "zoom_unreachable", 1, "zoom_unreachable"},
		"the answer is none":                     {zoomtest.Before(zoomtest.Answer(http.StatusOK, `{}`)), "zoom_unreachable", 1, "zoom_unreachable"},
		"the code is refused as used or unknown": {zoomtest.Before(zoomtest.Answer(http.StatusBadRequest, `{"error":"invalid_grant"}`)), "code_not_accepted", 1, "code_not_accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servertest.NewStage(t)
			v := s.Browser(t)
			callback := v.Callback(t, "", servertest.Ana)
			s.Zoom.Inject(zoomtest.StepExchange, 1, tc.fault)
			showsProblem(t, v.Open(t, callback), tc.first)
			again := v.Open(t, callback)
			if tc.then != "" {
				showsProblem(t, again, tc.then)
			} else if again.Title() != connectedTitle {
				t.Errorf("loaded again, the page is %q", again.Title())
			}
			if asked := s.Asked(zoomtest.StepExchange); asked != tc.asked {
				t.Errorf("the code went to Zoom %d times, want %d", asked, tc.asked)
			}
		})
	}
}

// The reply to the first request never arrives, and the page is loaded again at another replica,
// which only knows what is in the browser and in the API server.
func TestAPageLoadedAgainAtAnotherReplica(t *testing.T) {
	refused := zoomtest.Before(zoomtest.Answer(http.StatusBadRequest, `{"error":"invalid_grant"}`))
	t.Run("after the consent was stored", func(t *testing.T) {
		s := servertest.NewStage(t)
		other := s.Another(t)
		v := s.Browser(t)
		callback := v.Callback(t, "", servertest.Ana)
		var old string
		setCookie(t, v, func(value string) string { old = value; return value })
		check(t, v.Open(t, callback), http.StatusOK, "")
		in, _ := s.Stored(t)
		other.UntilCached(t, in)
		setCookie(t, v, func(string) string { return old })
		v.At = other
		if page := v.Open(t, callback); page.Title() != connectedTitle {
			t.Errorf("the page is %q", page.Title())
		}
		if asked := s.Asked(zoomtest.StepExchange); asked != 1 {
			t.Errorf("the code went to Zoom %d times", asked)
		}
		s.Lives(t)
	})
	for name, tc := range map[string]struct {
		ends bool // what was given for a code that comes twice
		want string
	}{
		"while the consent is being stored":                               {want: connectedTitle},
		"while it is being stored, of a Zoom that then ends what it gave": {ends: true, want: consent.ProblemOf("consent_dead").Title},
	} {
		t.Run(name, func(t *testing.T) {
			s := servertest.NewStage(t)
			other := s.Another(t)
			v := s.Browser(t)
			callback := v.Callback(t, "", servertest.Ana)
			w := *v
			w.At = other
			me := hold()
			s.Zoom.Inject(zoomtest.StepMe, 1, me.before)
			first := v.Together(t, 1, func() servertest.Seen { return v.Open(t, callback) })
			<-me.came
			s.Zoom.Inject(zoomtest.StepExchange, 1, refused)
			if tc.ends {
				s.Zoom.Inject(zoomtest.StepMe, 1, zoomtest.Before(zoomtest.Answer(http.StatusUnauthorized, `{"code":124}`)))
			}
			second := w.Together(t, 1, func() servertest.Seen { return w.Open(t, callback) })
			servertest.Until(t, "the other replica asks too", func() bool { return s.Asked(zoomtest.StepExchange) == 2 })
			close(me.goOn)
			if page := first()[0]; page.Title() != connectedTitle {
				t.Errorf("the page at the first replica is %q", page.Title())
			}
			if page := second()[0]; page.Title() != tc.want {
				t.Errorf("the page at the other replica is %q, want %q", page.Title(), tc.want)
			}
		})
	}
}

func TestTheResultIsTrueWheneverItIsLoaded(t *testing.T) {
	s := servertest.NewStage(t)
	v := s.Browser(t)
	result := v.Agree(t, "", servertest.Ana)
	check(t, result, http.StatusOK, "")
	if strings.Contains(result.Location, zoomtest.Mark) || strings.ContainsAny(result.Location, "?&=") {
		t.Errorf("the result is at %s", result.Location)
	}
	exchanges := s.Asked(zoomtest.StepExchange)
	showsProblem(t, s.Browser(t).Open(t, result.Location), "result_unknown") // of another browser
	showsProblem(t, v.Open(t, urls.Result(s.Namespace, fixture.AppName, strings.Repeat("0", 32))), "result_unknown")

	in, _ := s.Stored(t)
	says := func(what string, change func(), reason string) {
		t.Helper()
		change()
		want := connectedTitle
		if reason != "" {
			want = consent.ProblemOf(reason).Title
		}
		servertest.Until(t, what+", the page says "+want, func() bool { return v.Open(t, result.Location).Title() == want })
	}
	authorized := func(status metav1.ConditionStatus, reason string) func() {
		return func() {
			in.Status.Conditions = []metav1.Condition{{
				Type: v1alpha1.ConditionAuthorized, Status: status, Reason: reason, Message: "m",
				LastTransitionTime: metav1.Now(), ObservedGeneration: in.Generation,
			}}
			if err := s.C.Status().Update(t.Context(), in); err != nil {
				t.Fatal(err)
			}
		}
	}
	stored, err := tokens.Load(t.Context(), s.C, in)
	if err != nil {
		t.Fatal(err)
	}
	good := stored.Token
	says("loaded again", func() {}, "")
	says("when Zoom has refused the token since", func() {
		if err := stored.MarkUnusable(t.Context(), s.C, tokens.RefusedRevoked, time.Now(), time.Time{}); err != nil {
			t.Fatal(err)
		}
		authorized(metav1.ConditionFalse, v1alpha1.ReasonTokenRevoked)()
	}, "consent_dead")
	says("after another consent in the same second, of which the status does not say yet", func() {
		if err := tokens.Save(t.Context(), s.C, in, good, func(tokens.Token) bool { return false }); err != nil {
			t.Fatal(err)
		}
	}, "")
	says("when all is well", authorized(metav1.ConditionTrue, v1alpha1.ReasonConsented), "")
	says("when the customer has removed the app", func() {
		in.Spec.Deauthorization = &v1alpha1.Deauthorization{At: metav1.NewTime(in.Spec.Consent.At.Add(time.Minute)), UserID: servertest.Ana.User.ID}
		if err := s.C.Update(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}, "disconnected")
	if asked := s.Asked(zoomtest.StepExchange); asked != exchanges {
		t.Error("looking at a result asks Zoom")
	}
}

// A page that said why not says so again.
func TestTheResultOfAFailureStays(t *testing.T) {
	s := servertest.NewStage(t, servertest.WithApp(private))
	v := s.Browser(t)
	page := v.Agree(t, "", servertest.Ana)
	showsProblem(t, page, "not_invited")
	showsProblem(t, v.Open(t, page.Location), "not_invited")
	callback, err := s.Zoom.Refuse(v.Begin(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	page = v.Open(t, callback)
	showsProblem(t, page, "refused")
	showsProblem(t, v.Open(t, callback), "refused")
	showsProblem(t, v.Open(t, page.Location), "refused")
}

// Of two consents of one user, Zoom takes the token of the one that it was asked for last,
// whichever replica stores first and whatever the clocks here say.
func TestTheLivingTokenIsKept(t *testing.T) {
	connected := func(t *testing.T, pages ...servertest.Seen) {
		t.Helper()
		for _, page := range pages {
			if page.Title() != connectedTitle {
				t.Errorf("a page says %q", page.Title())
			}
		}
	}
	t.Run("of two tabs whose requests overtake each other", func(t *testing.T) {
		s := servertest.NewStage(t)
		v, w := s.Browser(t), s.Browser(t)
		first, second := v.Callback(t, "", servertest.Ana), w.Callback(t, "", servertest.Ana)
		exchange := hold()
		s.Zoom.Inject(zoomtest.StepExchange, 1, exchange.before)
		late := v.Together(t, 1, func() servertest.Seen { return v.Open(t, first) })
		<-exchange.came
		connected(t, w.Open(t, second))
		close(exchange.goOn)
		connected(t, late()[0])
		s.Lives(t)
	})
	t.Run("of two tabs of which the earlier one stores last", func(t *testing.T) {
		s := servertest.NewStage(t)
		v, w := s.Browser(t), s.Browser(t)
		first, second := v.Callback(t, "", servertest.Ana), w.Callback(t, "", servertest.Ana)
		me := hold()
		s.Zoom.Inject(zoomtest.StepMe, 1, me.after)
		late := v.Together(t, 1, func() servertest.Seen { return v.Open(t, first) })
		<-me.came
		connected(t, w.Open(t, second))
		close(me.goOn)
		connected(t, late()[0])
		s.Lives(t)
	})
	for name, off := range map[string]time.Duration{"a replica whose clock is ahead": 4 * time.Minute, "a replica whose clock is behind": -4 * time.Minute} {
		t.Run("after a consent at "+name, func(t *testing.T) {
			s := servertest.NewStage(t)
			check(t, s.Browser(t).Agree(t, "", servertest.Ana), http.StatusOK, "")
			in, token := s.Stored(t)
			token.ConsentedAt = token.ConsentedAt.Add(off)
			if err := tokens.Save(t.Context(), s.C, in, token.Token, nil); err != nil {
				t.Fatal(err)
			}
			connected(t, s.Browser(t).Agree(t, "", servertest.Ana))
			s.Lives(t)
		})
	}
}

// A removal counts from the next second after the consent on, by Zoom's clock, however that differs
// from the one here.
func TestARemovalSecondsAfterTheConsent(t *testing.T) {
	for name, off := range map[string]time.Duration{"Zoom's clock is behind": -4 * time.Minute, "the clocks agree": 0, "Zoom's clock is ahead": 4 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			s := servertest.NewStage(t)
			zooms := time.Now().Add(off).UTC().Truncate(time.Second)
			s.Zoom.Inject(zoomtest.StepExchange, 1, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Date", zooms.Format(http.TimeFormat))
					next.ServeHTTP(w, r)
				})
			})
			began := time.Now()
			check(t, s.Browser(t).Agree(t, "", servertest.Ana), http.StatusOK, "")
			in, token := s.Stored(t)
			if !in.Spec.Consent.At.Time.Equal(zooms) || !token.ConsentedAt.Equal(zooms) {
				t.Errorf("the consent was at %v, that of the token at %v, want Zoom's %v", in.Spec.Consent.At, token.ConsentedAt, zooms)
			}
			if token.IssuedAt.Before(began) || token.IssuedAt.After(time.Now()) {
				t.Errorf("the token was issued at %v, want the time here", token.IssuedAt)
			}
			fixture.Send(t, s.Replicas[0].Zoom(t, s.Namespace), servertest.Ana.Account.AppDeauthorized(zooms.Add(time.Second), "client", servertest.Ana.User.ID, zoomtest.TimeAtTop), http.StatusNoContent)
			if in := fixture.Get(t, s.C, s.Namespace, in.Name, &v1alpha1.ZoomInstallation{}); !installation.Removed(in) {
				t.Error("the removal does not count")
			}
		})
	}
}

func TestNoConsentBeginsWithoutAllCredentials(t *testing.T) {
	s := servertest.NewStage(t)
	v := s.Browser(t)
	under := v.Callback(t, "", servertest.Ana) // began before an admin emptied the Secret
	fromZoom := v.FromZoom(t, servertest.Bea)
	secret := fixture.Get(t, s.C, s.Namespace, fixture.SecretName, &corev1.Secret{})
	token := secret.Data["secretToken"]
	delete(secret.Data, "secretToken")
	if err := s.C.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	fresh := s.Another(t) // which knows the Secret as it is now
	v.At = fresh
	for name, page := range map[string]servertest.Seen{
		"the first page": v.Open(t, s.Path(urls.Install)), "the way to Zoom": v.Open(t, s.Path(urls.Start)), "a flow from Zoom": v.Open(t, fromZoom),
	} {
		if page.Title() != consent.ProblemOf(telemetry.ReasonNoCredentials).Title || page.Status != http.StatusServiceUnavailable {
			t.Errorf("%s is %q with status %d", name, page.Title(), page.Status)
		}
	}
	check(t, v.Open(t, under), http.StatusOK, "") // is not begun, but finished
	secret.Data["secretToken"] = token
	if err := s.C.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	servertest.Until(t, "the page is there as soon as the Secret is complete", func() bool { return v.Open(t, s.Path(urls.Install)).Status == http.StatusOK })
}

// That Zoom refused the app is no hindrance.
func TestAConsentBeginsWhileZoomRefusesTheApp(t *testing.T) {
	s := servertest.NewStage(t)
	s.App.Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonClientRejected, Message: "m", LastTransitionTime: metav1.Now(),
	}}
	if err := s.C.Status().Update(t.Context(), s.App); err != nil {
		t.Fatal(err)
	}
	s.Replicas[0].UntilCached(t, s.App)
	check(t, s.Browser(t).Agree(t, "", servertest.Ana), http.StatusOK, "")
}

// Zoom may say more in the address than it does today, as RFC 9207 has it.
func TestUnknownParametersOfACallback(t *testing.T) {
	s := servertest.NewStage(t)
	v := s.Browser(t)
	check(t, v.Open(t, v.Callback(t, "", servertest.Ana)+"&iss=https%3A%2F%2Fzoom.us&scope=a+b&scope=c&unknown"), http.StatusOK, "")
}
