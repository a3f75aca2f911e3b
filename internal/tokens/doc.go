// Package tokens stores the OAuth tokens of consents in Secrets, one for each ZoomInstallation:
// no other package reads or writes these Secrets, or spells their names and keys.
//
//   - token: what Zoom issued for a consent, as a value without a clock or a client (token.go), the
//     OAuth client that it was issued to (client.go), and how both are written down (codec.go).
//   - secret: reading, writing and deleting a Secret (secret.go), and whose token it holds
//     (owner.go). A finalizer keeps it until the token is revoked or abandoned.
//   - stored: a token with the resourceVersion that it was read at (stored.go). Load reads it, Save
//     stores that of a new consent (consent.go).
//   - refresh: BeginRefresh, then CommitRefresh, AbortRefresh or MarkUnusable; RecordFailure of a
//     revocation (refresh.go).
//   - access: the access token alone, in a second Secret for other programs (access.go).
//   - invitation: the link of an invitation (invitation.go).
//   - orphan: a token whose ZoomInstallation went without it (orphan.go).
//
// Zoom rotates refresh tokens: each can be spent once. A refresh therefore begins with a write to
// the Secret under its optimistic lock, which makes it single-flight over all replicas, and proves
// that the API server takes writes. A refresh that has begun and not ended was interrupted: the
// refresh token may be spent and its successor lost.
package tokens
