// Package consent serves the pages by which a customer installs an app.
//
// Install says what will be shared, and its start sends the browser to Zoom; Zoom sends it back to
// the callback, with an authorization code. Where a consent began at Zoom, the customer confirms it
// there first. The flows that are under way in a browser travel in its cookie, sealed, so that any
// replica can finish what another one began. Completion exchanges the code, single-flight, and asks
// Zoom who consented; the claim, which is pure, decides which installation the consent goes into;
// then the storage binds an app of one account to it, and keeps the token and the consent. The
// result is a page of its own, which is true whenever it is loaded. The refusal reports put into
// the app's status what Zoom said of the app itself.
package consent
