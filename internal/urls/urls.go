// Package urls spells the paths of the public listener: where Zoom sends an app's webhooks, and the
// pages by which a customer installs the app.
package urls

// The patterns of the paths, for http.ServeMux.
const (
	WebhookPattern  = "/webhooks/{namespace}/{app}"
	InstallPattern  = pagesPattern + install
	StartPattern    = pagesPattern + start
	CallbackPattern = pagesPattern + callback
	ConfirmPattern  = pagesPattern + confirm
	ResultPattern   = pagesPattern + result + "{flow}"
	// DomainVerification is where Zoom looks for its file when the domain of an app is verified.
	DomainVerification = "/zoomverify/verifyzoom.html"

	pagesPattern = "/oauth/{namespace}/{app}"

	install  = "/install"
	start    = "/install/start"
	callback = "/callback"
	confirm  = "/callback/confirm"
	result   = "/result/"
)

// Webhook is where Zoom sends an app's webhooks.
func Webhook(namespace, app string) string { return "/webhooks/" + namespace + "/" + app }

// Pages is above all pages of an app, and the path of their cookie.
func Pages(namespace, app string) string { return "/oauth/" + namespace + "/" + app }

// Install is the first page. It says what will be shared.
func Install(namespace, app string) string { return Pages(namespace, app) + install }

// Start sends the browser to Zoom.
func Start(namespace, app string) string { return Pages(namespace, app) + start }

// Callback is where Zoom sends the browser back: the app's redirect URL.
func Callback(namespace, app string) string { return Pages(namespace, app) + callback }

// Confirm is where a consent goes on that began at Zoom.
func Confirm(namespace, app string) string { return Pages(namespace, app) + confirm }

// Result is the page that says what came of a flow.
func Result(namespace, app, flow string) string { return Pages(namespace, app) + result + flow }
