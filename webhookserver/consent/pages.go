package consent

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net/http"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
)

// problem is a page that says why a customer cannot go on, and what they can do.
type problem struct {
	code  int
	title string
	text  []string
	// again offers to begin from the first page.
	again bool
}

// problems are in the customer's words: their reader installs an app and does not run it.
var problems = map[string]problem{
	telemetry.ReasonNoApp: {code: http.StatusNotFound, title: "There is no such page", text: []string{
		"The link is incomplete or out of date. Please ask whoever gave it to you for a new one.",
	}},
	telemetry.ReasonMalformed: {code: http.StatusBadRequest, title: "This link does not work", text: []string{
		"Something in the address is missing or broken. Nothing was connected.",
	}, again: true},
	telemetry.ReasonTooLarge: {code: http.StatusRequestEntityTooLarge, title: "This request does not work", text: []string{
		"Your browser sent more than belongs here. Nothing was connected.",
	}, again: true},
	telemetry.ReasonMethod: {code: http.StatusMethodNotAllowed, title: "This page cannot be used that way", text: []string{
		"Please open the link in a browser.",
	}},
	reasonRefused: {code: http.StatusForbidden, title: "Nothing was connected", text: []string{
		"Zoom says that the permission was not given, so nothing was stored. You can close this page.",
		"If it was a mistake, start again.",
	}, again: true},
	reasonZoomRefused: {code: http.StatusBadGateway, title: "Zoom could not finish this", text: []string{
		"Zoom reported a problem instead of a permission. Nothing was connected.",
		"Please try again. If it happens again, tell whoever gave you the link.",
	}, again: true},
	reasonUnknownState: {code: http.StatusBadRequest, title: "Please start again", text: []string{
		"Nothing was connected just now. Either this took longer than ten minutes, or it began in another browser or on another device, or your browser does not keep cookies.",
	}, again: true},
	reasonNoState: {code: http.StatusBadRequest, title: "Please start here", text: []string{
		"This app cannot be installed from Zoom’s side alone. Start on our page; it takes you to Zoom and back.",
	}, again: true},
	reasonUsedState: {code: http.StatusConflict, title: "This step is done already", text: []string{
		"Zoom’s answer was used when this page was opened first. If it said that your account is connected, it still is, and you can close this page.",
	}, again: true},
	reasonCode: {code: http.StatusGone, title: "This took too long", text: []string{
		"Zoom no longer accepts the permission: it is good for five minutes, and only once.",
		"If your account was connected before, it still is. Otherwise start again.",
	}, again: true},
	reasonSuperseded: {code: http.StatusConflict, title: "You agreed more than once", text: []string{
		"Zoom keeps only the latest permission, and this was an earlier one. If another page says that your account is connected, it is, and you can close this page.",
		"Otherwise start again.",
	}, again: true},
	reasonNoResult: {code: http.StatusGone, title: "This page is no longer kept", text: []string{
		"It said what came of your consent, for ten minutes and in the browser that you used. If it said that your account is connected, it is, unless the app was removed since.",
		"If you are not sure, connect again: that changes nothing for an account that is connected.",
	}, again: true},
	reasonDisconnected: {code: http.StatusGone, title: "Zoom is no longer connected", text: []string{
		"Your account was connected here, and the app has been removed from it since.",
		"If you want it back, start again.",
	}, again: true},
	reasonReconnect: {code: http.StatusConflict, title: "Please connect again", text: []string{
		"Your account was connected here, but Zoom no longer accepts the permission. Start again, and agree once more.",
	}, again: true},
	reasonUnclear: {code: http.StatusServiceUnavailable, title: "This cannot be looked up now", text: []string{
		"You agreed, and your answer was saved. Whether it still holds cannot be looked up at this moment. Please load this page again in a minute.",
	}},
	reasonWrongAccount: {code: http.StatusForbidden, title: "This is another Zoom account", text: []string{
		"You are signed in to Zoom with an account that this link is not for. It was not connected, and nothing about it was stored.",
		"Sign out of Zoom, sign in with the right account, and open your link again. If this is the right one, please ask for a new link.",
	}},
	reasonAlreadyInstalled: {code: http.StatusConflict, title: "This account was connected already", text: []string{
		"You are signed in to Zoom with an account that has the app; its permission was renewed. The invitation that you opened is still open.",
		"If it is meant for another account, sign out of Zoom, sign in with that one, and open the invitation again.",
	}},
	reasonNotInvited: {code: http.StatusForbidden, title: "This app is by invitation", text: []string{
		"Your Zoom account has not been invited yet. It was not connected, and nothing about it was stored.",
		"Please ask whoever runs the app for an invitation, and open the link in it.",
	}},
	reasonBadInvitation: {code: http.StatusForbidden, title: "This invitation is not valid", text: []string{
		"The link is incomplete, or it is not for this app. Please copy the whole link, or ask for a new one.",
	}},
	reasonOldInvitation: {code: http.StatusGone, title: "This invitation has expired", text: []string{
		"An invitation is good for a limited time. Please ask for a new one.",
	}},
	reasonNoInvitation: {code: http.StatusGone, title: "This invitation was withdrawn", text: []string{
		"It can no longer be used. Please ask for a new one.",
	}},
	reasonBeingRemoved: {code: http.StatusServiceUnavailable, title: "Your account is being disconnected", text: []string{
		"What was stored about your account is being deleted at this moment. Please try again in a minute.",
	}, again: true},
	reasonClient: {code: http.StatusBadGateway, title: "The app is not set up correctly", text: []string{
		"Zoom does not accept the app’s own credentials. Nothing was connected, and there is nothing that you can do.",
		"Please tell whoever gave you the link.",
	}},
	reasonScope: {code: http.StatusBadGateway, title: "The app is not set up correctly", text: []string{
		"The app may not ask Zoom which account it was added to: it lacks the permission user:read:user. Nothing was connected.",
		"Please tell whoever gave you the link.",
	}},
	reasonRateLimited: {code: http.StatusServiceUnavailable, title: "Too much at once", text: []string{
		"Very many installations are under way. Please wait a minute, then try again.",
	}, again: true},
	telemetry.ReasonAddress: {code: http.StatusTooManyRequests, title: "Too much at once", text: []string{
		"Very many requests come from your network. Please wait a minute, then try again.",
	}, again: true},
	telemetry.ReasonOverloaded: {code: http.StatusServiceUnavailable, title: "Too much at once", text: []string{
		"Very many installations are under way. Please wait a minute, then try again.",
	}},
	reasonZoomUnreachable: {code: http.StatusBadGateway, title: "Zoom does not answer", text: []string{
		"Zoom could not be asked whether you agreed. Nothing was connected. Please try again in a few minutes.",
	}, again: true},
	telemetry.ReasonNotStored: {code: http.StatusServiceUnavailable, title: "This could not be saved", text: []string{
		"You agreed, but the answer could not be saved here. Please try again in a few minutes.",
	}, again: true},
	telemetry.ReasonNoCredentials: {code: http.StatusServiceUnavailable, title: "The app is not ready yet", text: []string{
		"It is still being set up, so nothing can be connected. Please try again later, or tell whoever gave you the link.",
	}},
	telemetry.ReasonSuspended: {code: http.StatusServiceUnavailable, title: "Please come back later", text: []string{
		"The app is being worked on, so nothing can be connected at the moment. If you have just agreed at Zoom, agree once more then.",
	}, again: true},
	reasonCloudUnknown: {code: http.StatusServiceUnavailable, title: "The app is not ready yet", text: []string{
		"It is still being set up, so nothing can be connected. Please try again later, or tell whoever gave you the link.",
	}},
	reasonClientIDInUse: {code: http.StatusServiceUnavailable, title: "The app is not set up correctly", text: []string{
		"Nothing can be connected here, and there is nothing that you can do. Please tell whoever gave you the link.",
	}},
	reasonExternalURLAbsent: {code: http.StatusServiceUnavailable, title: "The app is not ready yet", text: []string{
		"It is still being set up. Please try again later, or tell whoever gave you the link.",
	}},
}

// view is what the templates show.
type view struct {
	Title string
	App   string
	// Publisher is who runs the app; nil where the app does not say.
	Publisher *v1alpha1.Publisher
	Style     template.CSS
	// Admin says that one consent covers a whole account.
	Admin bool

	// Of the first page. ByInvitation warns that only known accounts can go on.
	Invited, ByInvitation, Participants, KeepsAccess bool
	Scopes                                           []string
	Continue                                         string

	// Of the click that a flow which began at Zoom needs.
	State, Confirm string

	// Missing are the scopes that were not granted.
	Missing []v1alpha1.Scope

	Text []string
	// Install is the first page; empty when beginning again is of no use.
	Install string
}

//go:embed templates
var files embed.FS

var (
	style = mustRead("templates/style.css")

	pages = map[string]*template.Template{
		"install":   parsePage("install"),
		"confirm":   parsePage("confirm"),
		"installed": parsePage("installed"),
		"problem":   parsePage("problem"),
	}

	// contentSecurityPolicy lets a page load nothing, run nothing, send its form nowhere but here,
	// and be in no frame.
	contentSecurityPolicy = "default-src 'none'; style-src '" + styleHash() + "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

func mustRead(name string) string {
	content, err := files.ReadFile(name)
	if err != nil {
		panic(err) // the file is part of the binary
	}
	return string(content)
}

func parsePage(name string) *template.Template {
	return template.Must(template.ParseFS(files, "templates/layout.html", "templates/"+name+".html"))
}

func styleHash() string {
	sum := sha256.Sum256([]byte(style))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// render is a page as it is sent.
func render(page string, v view) ([]byte, error) {
	v.Style = template.CSS(style) //nolint:gosec // a constant of ours
	var out bytes.Buffer
	if err := pages[page].ExecuteTemplate(&out, "layout.html", v); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// protect sets the headers that every answer of the consent has: nothing is kept, framed, guessed,
// found by a search or sent to another site as a referrer. Where browsers come by TLS, they are to
// come by nothing else for a year.
func protect(h http.Header, secure bool) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	if secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}
