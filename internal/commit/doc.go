// Package commit stores changes to Kubernetes objects by group commit: Commit returns when the API
// server holds an object with the change in it.
//
// A Committer (committer.go) has one queue per object. What arrives while a write of the object is
// in flight goes into the next write together. Its admission (admission.go) decides which changes
// may wait when more arrive than can be stored: by priority, and by fair shares of namespaces and
// of the accounts in them.
package commit
