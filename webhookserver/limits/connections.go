package limits

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// Why a connection was closed from this side before its time, in
// zoom_operator_public_connections_shed_total.
const (
	shedIdle    = "idle"    // it was kept alive for another request
	shedWaiting = "waiting" // its request did not come
	shedFull    = "full"    // it came while all others were being answered
)

// Connections is a listener with a cap on the connections that are open. The one above it is let
// in, and that one is closed which has made no progress for the longest time, be it idle or in the
// middle of a request that does not come: a listener that stops accepting would leave Zoom's
// Connections waiting behind those of a client that holds the others open. A connection that is
// being answered is never closed for another, and one that has brought an authenticated event only
// when no other can go: Zoom may be sending the next one at that moment, and comes again with it
// after five minutes.
type Connections struct {
	net.Listener
	most int

	mu   sync.Mutex
	open int
	// strangers and authenticated are those that are not being answered, of *connection, the one
	// with the latest progress at the back. Those that have brought an authenticated event are in
	// authenticated, the latest of them that fit.
	strangers, authenticated list.List
}

// mostGenuine is how many connections may wait in authenticated, so that enough is left for those
// that are new.
func (cs *Connections) mostGenuine() int { return cs.most / 4 }

// LimitConnections lets so many connections of a listener be open.
func LimitConnections(l net.Listener, most int) *Connections {
	return &Connections{Listener: l, most: most}
}

// Accept waits for the next connection that is let in.
func (cs *Connections) Accept() (net.Conn, error) {
	for {
		conn, err := cs.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &connection{Conn: conn, of: cs}
		shed, ok := cs.add(c)
		if shed != nil {
			_ = shed.Conn.Close() // its reader notices, and gives its memory back
		}
		if ok {
			return c, nil
		}
		_ = conn.Close()
	}
}

// add counts a connection in, unless there is no room for it. The one that makes room is to be
// closed.
func (cs *Connections) add(c *connection) (shed *connection, ok bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.open >= cs.most {
		first := cs.strangers.Front()
		if first == nil {
			first = cs.authenticated.Front()
		}
		if first == nil {
			connectionsShed.WithLabelValues(shedFull).Inc()
			return nil, false
		}
		shed = first.Value.(*connection) //nolint:forcetypeassert // it holds nothing else
		reason := shedWaiting
		if shed.idle {
			reason = shedIdle
		}
		connectionsShed.WithLabelValues(reason).Inc()
		shed.forget()
	}
	cs.open++
	c.wait(&cs.strangers)
	openConnections.Inc()
	return shed, true
}

// State is called by http.Server.
func (*Connections) State(conn net.Conn, state http.ConnState) {
	if c := connectionOf(conn); c != nil && state == http.StateIdle {
		c.rests()
	}
}

// connection is one of connections. What is below is guarded by the mutex of those.
type connection struct {
	net.Conn
	of *Connections

	in   *list.List    // strangers or authenticated
	at   *list.Element // in that list; nil while it is being answered, and afterwards
	idle bool
	// brought says that an authenticated event has come by it.
	brought bool
	gone    bool
}

func (c *connection) wait(in *list.List) { c.in, c.at = in, in.PushBack(c) }

// Read notes progress.
func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.of.mu.Lock()
		defer c.of.mu.Unlock()
		c.idle = false
		if c.at != nil {
			c.in.MoveToBack(c.at)
		}
	}
	return n, err
}

// Close gives up the place.
func (c *connection) Close() error {
	c.of.mu.Lock()
	c.forget()
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// forget counts a connection out, once.
func (c *connection) forget() {
	if c.gone {
		return
	}
	c.gone = true
	c.of.open--
	openConnections.Dec()
	c.leave()
}

func (c *connection) leave() {
	if c.at != nil {
		c.in.Remove(c.at)
		c.in, c.at = nil, nil
	}
}

// answers takes a connection out of those that may be closed for another.
func (c *connection) answers() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.leave()
}

// rests puts it back.
func (c *connection) rests() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.idle = true
	switch {
	case c.gone || c.at != nil:
		return
	case !c.brought:
		c.wait(&c.of.strangers)
		return
	}
	if c.of.authenticated.Len() >= c.of.mostGenuine() {
		oldest := c.of.authenticated.Front().Value.(*connection) //nolint:forcetypeassert // it holds nothing else
		oldest.leave()
		oldest.brought = false
		oldest.wait(&c.of.strangers)
	}
	c.wait(&c.of.authenticated)
}

// connectionOf is the connection of ours in one that http.Server knows; nil when there is none.
func connectionOf(conn net.Conn) *connection {
	if over, ok := conn.(*tls.Conn); ok {
		conn = over.NetConn()
	}
	c, _ := conn.(*connection)
	return c
}

// connectionKey is where a request's context has its connection.
type connectionKey struct{}

// WithConnection is http.Server.ConnContext.
func WithConnection(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, connectionOf(conn))
}

// Answering says that a request is there as a whole and is being answered: its connection is not
// closed for another until the answer is out.
func Answering(ctx context.Context) {
	if c, _ := ctx.Value(connectionKey{}).(*connection); c != nil {
		c.answers()
	}
}

// BroughtEvent says that a request was authenticated: its connection is the last to make room for
// another, from now on.
func BroughtEvent(ctx context.Context) {
	if c, _ := ctx.Value(connectionKey{}).(*connection); c != nil {
		c.of.mu.Lock()
		defer c.of.mu.Unlock()
		c.brought = true
	}
}
