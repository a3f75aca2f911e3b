package limits

import (
	"time"
)

// All limits of the public listener are here, since together they have to fit into the memory of
// its container:
//
//	  baseMemory                                                  112 MiB
//	+ MaxConnections x (connectionMemory + MaxSmall)  5120 x 48 = 240 MiB
//	+ MaxLarge                                                     40 MiB
//	                                                            = 392 MiB
//
// The garbage collector is given GOMEMLIMIT, which leaves it room above this sum and stays below
// the limit of the container. A test compares them with the manifest.
const (
	// baseMemory is what a receiver takes without any connection: its caches, with some thousands
	// of installations, and two thousand meetings that it remembers.
	baseMemory = 112 << 20
	// connectionMemory is what a connection takes that has sent its header: two goroutines' stacks,
	// two buffers of 4 KiB, the header, and with TLS the state of it. 14 500 of them once took 435
	// MiB without TLS, the garbage of it included: 30 KiB each.
	connectionMemory = 32 << 10
	// MaxConnections is how many connections are open at the same time. One more costs the one that
	// has made no progress for the longest time, unless it is being answered. It is more than
	// MaxRequests and MaxConsentRequests together, so that there is always one that can go.
	MaxConnections = 5120
)

// Limits of webhooks. Zoom gives up after 3 s; an answer has to leave well before that.
const (
	// MaxBody is the largest body that is read. Zoom publishes no maximum; meeting events are below
	// 5 KB, and those of recordings tens of KB.
	MaxBody = 1 << 20
	// AnswerWithin is the deadline for reading, verifying and storing one event. On a flooded
	// machine a connection waits half a second and more before anything here sees it, and every
	// answer has to be out within 2.5 s of its first byte.
	AnswerWithin = 2 * time.Second
	// MaxRequests is how many requests are worked on at the same time, each with its body read.
	// More of them than the committer lets wait, so that it is the committer that gives up
	// participants' events first.
	MaxRequests = 4096
	// MaxSmall is the largest body that a request may hold without asking. Events of meetings are
	// smaller.
	MaxSmall = 16 << 10
	// MaxLarge is how many bytes the larger bodies may hold together, of those that have arrived.
	// Any client can send one, before any signature is checked.
	MaxLarge = 40 << 20
	// BodyStep is in what steps a larger body is read, and asks for the memory.
	BodyStep = 16 << 10
)

// Limits of the pages. They are apart from those of webhooks: a flood here must not keep an event
// out.
const (
	// PageWithin is the deadline for a page that asks only the API server, and for the form that is
	// sent to it.
	PageWithin = 5 * time.Second
	// MaxPageBody is the largest form that is read; ours holds one state.
	MaxPageBody = 4 << 10
	// MaxConsentRequests is how many requests are worked on at the same time, each with its form
	// read. Each may wait for Zoom.
	MaxConsentRequests = 256
	// ExchangesPerSecond is the rate at which an app's codes are exchanged, for all clients
	// together: strangers cannot be recognised before Zoom is asked. It lets a thousand people
	// install in four minutes, and keeps those who make codes up from using up the rate limit at
	// Zoom that refreshes need as well. One flow gets MaxAsked of it, and one address what is
	// below.
	ExchangesPerSecond = 5.0
	// ExchangeBurst is how many are exchanged at once.
	ExchangeBurst = 50
	// MaxAsked is how often a replica asks Zoom about the code of one flow: once more after an
	// answer that leaves it as it was.
	MaxAsked = 2
	// BusyFor is how long a client is asked to wait when too much is under way.
	BusyFor = time.Minute
)

// How long a consent may take once Zoom sent the browser back.
const (
	// Everything after Zoom sent the browser back has a time of its own, so that a slow Zoom leaves
	// enough for storing what it gave: asking for the token and whose it is, storing it, and
	// revoking it when it belongs to no installation.
	AskWithin    = 12 * time.Second
	StoreWithin  = 5 * time.Second
	RevokeWithin = 3 * time.Second
	// CompleteWithin is all of it. A browser that goes away does not end it, for the code is spent
	// by then; nor does a server that stops, for it waits this long.
	CompleteWithin = AskWithin + StoreWithin + RevokeWithin
)

// Limits of one address, or one /64 of IPv6, where it is known to be the client's; see callers.
// What is authenticated has none: all of Zoom's webhooks may come from a few addresses.
const (
	// maxCallers is how many addresses are remembered, at some 700 bytes each: 7 MiB of baseMemory.
	// The one that has been silent for the longest time makes room, and begins anew.
	maxCallers = 10_000
	// networkBits is how much of an address of IPv6 is the network's: the rest its owner chooses at
	// will.
	networkBits = 64
	// siteBits is how much of it is a site's, which may have 65 536 such networks: together they
	// have siteFactor times what one has.
	siteBits, siteFactor = 48, 4
	// PagesBurst is how many pages an address gets at once, and pagesPerSecond its rate. Installing
	// takes five; behind one address may be a whole school.
	PagesBurst, pagesPerSecond = 200, 20
	// Of the codes of one app, and of all apps, an address has half of what an app has, and so many
	// under way at the same time that they hold a sixteenth of MaxConsentRequests while Zoom hangs.
	exchangesTogether = MaxConsentRequests / 16
	// Codes that Zoom does not know use up this. Thirty addresses that do nothing else leave
	// nothing to an app's customers.
	failureEvery, failuresBurst = 6 * time.Second, 10
	// StrangeBurst, which fills up at strangePerSecond, is used up by webhooks that do not prove to
	// be Zoom's. When it is used up, those that are not even signed are answered 429 before their
	// body is read. Those that are signed are verified, for only that shows whether they are
	// Zoom's; it costs one digest.
	StrangeBurst, strangePerSecond = 100, 10
)

// Limits of connections.
const (
	// MaxHeader is the largest header that is read.
	MaxHeader = 16 << 10
	// HeaderWithin is the deadline for a header, and for a TLS handshake.
	HeaderWithin = AnswerWithin
	// RequestWithin is the deadline for a whole request on any path, also those that nothing here
	// serves. Webhooks have less.
	RequestWithin = PageWithin
	// WriteWithin is the deadline for an answer, counted from the header of the request. A page
	// that waits for Zoom has more.
	WriteWithin = RequestWithin + AnswerWithin
	// IdleTimeout is how long a connection is kept for another request.
	IdleTimeout = 2 * time.Minute
	// DrainWithin is how long a stopping server waits for the answers that are under way: the
	// longest is to a consent.
	DrainWithin = CompleteWithin + 2*time.Second
)
