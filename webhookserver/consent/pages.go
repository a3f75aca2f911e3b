package consent

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net/http"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
)

// problem is a page that says why a customer cannot go on, and what they can do. Its words are in
// languages.
type problem struct {
	code int
	// again offers to begin from the first page.
	again bool
}

// problems are the pages by reason.
var problems = map[string]problem{
	telemetry.ReasonNoApp:         {code: http.StatusNotFound},
	telemetry.ReasonMalformed:     {code: http.StatusBadRequest, again: true},
	telemetry.ReasonTooLarge:      {code: http.StatusRequestEntityTooLarge, again: true},
	telemetry.ReasonMethod:        {code: http.StatusMethodNotAllowed},
	reasonRefused:                 {code: http.StatusForbidden, again: true},
	reasonZoomRefused:             {code: http.StatusBadGateway, again: true},
	reasonUnknownState:            {code: http.StatusBadRequest, again: true},
	reasonNoState:                 {code: http.StatusBadRequest, again: true},
	reasonUsedState:               {code: http.StatusConflict, again: true},
	reasonCode:                    {code: http.StatusGone, again: true},
	reasonSuperseded:              {code: http.StatusConflict, again: true},
	reasonNoResult:                {code: http.StatusGone, again: true},
	reasonDisconnected:            {code: http.StatusGone, again: true},
	reasonReconnect:               {code: http.StatusConflict, again: true},
	reasonUnclear:                 {code: http.StatusServiceUnavailable},
	reasonWrongAccount:            {code: http.StatusForbidden},
	reasonAlreadyInstalled:        {code: http.StatusConflict},
	reasonNotInvited:              {code: http.StatusForbidden},
	reasonBadInvitation:           {code: http.StatusForbidden},
	reasonOldInvitation:           {code: http.StatusGone},
	reasonNoInvitation:            {code: http.StatusGone},
	reasonBeingRemoved:            {code: http.StatusServiceUnavailable, again: true},
	reasonClient:                  {code: http.StatusBadGateway},
	reasonScope:                   {code: http.StatusBadGateway},
	reasonRateLimited:             {code: http.StatusServiceUnavailable, again: true},
	telemetry.ReasonAddress:       {code: http.StatusTooManyRequests, again: true},
	telemetry.ReasonOverloaded:    {code: http.StatusServiceUnavailable},
	reasonZoomUnreachable:         {code: http.StatusBadGateway, again: true},
	telemetry.ReasonNotStored:     {code: http.StatusServiceUnavailable, again: true},
	telemetry.ReasonNoCredentials: {code: http.StatusServiceUnavailable},
	telemetry.ReasonSuspended:     {code: http.StatusServiceUnavailable, again: true},
	reasonCloudUnknown:            {code: http.StatusServiceUnavailable},
	reasonClientIDInUse:           {code: http.StatusServiceUnavailable},
	reasonExternalURLAbsent:       {code: http.StatusServiceUnavailable},
}

// view is what the templates show.
type view struct {
	tongue *tongue

	Title string
	App   string
	// Publisher is who runs the app; nil where the app does not say.
	Publisher *v1alpha1.Publisher
	// Logo is the app's picture; empty where there is none.
	Logo  template.URL
	Style template.CSS
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

// Lang is the language of the page, for its markup.
func (v view) Lang() string { return v.speaks().tag.String() }

// Say is the text of that name, in which the app and its publisher are marked.
func (v view) Say(key string) (template.HTML, error) {
	publisher := ""
	if v.Publisher != nil {
		publisher = string(v.Publisher.Name)
	}
	return v.speaks().markup(key, v.App, publisher)
}

// SayOf is the text of that name for whom the consent is: a user, or an admin for the account.
func (v view) SayOf(key string) (template.HTML, error) { return v.Say(v.of(key)) }

func (v view) of(key string) string {
	if v.Admin {
		return key + ".admin"
	}
	return key + ".user"
}

func (v view) speaks() *tongue { return cmp.Or(v.tongue, english) }

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
	// and be in no frame. A page with a logo may show what is in the page itself.
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
