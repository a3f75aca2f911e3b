package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/test/cluster"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	// stalledConnections is how many promise a body and never send it, to one receiver.
	stalledConnections = 14_500
	// forgers send forged requests meanwhile, each forgeAfter the answer to the one before: some
	// 2300 a second. On two cores, which the strangers, the API server and the receivers share,
	// 5000 a second leave nobody the time to answer.
	forgers    = 6000
	forgeAfter = 2 * time.Second
	// mostMemory is what a receiver may take, in KiB.
	mostMemory = 400 << 10
	// stallFor is how long the authenticated events come.
	stallFor = 20 * time.Second
	// retriesScale turns the 5 minutes until Zoom's first retry into a second.
	retriesScale = 300
)

// Connections that promise a body and never send it take neither the memory nor the place of Zoom's
// events.
func TestStalledConnectionsKeepNobodyOut(t *testing.T) {
	a := newApp(t, keepFew)
	o := system.service.receivers()[0]
	z, err := zoomtest.New(zoomtest.Config{Endpoint: o.WebhookURL(a.namespace, appName), SecretToken: token, Scale: retriesScale})
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(o.URL, "http://")
	path := urls.Webhook(a.namespace, appName)
	crowd{Many: stalledConnections, Address: address, Path: path}.start(t)
	forged := crowd{Forge: true, Many: forgers, Address: address, Path: path}.start(t)
	late := lateness(func() {
		var senders sync.WaitGroup
		for until := time.Now().Add(stallFor); time.Now().Before(until); {
			senders.Go(func() { z.Deliver(t.Context(), plan("stalled").Created(now())) })
			<-time.After(100 * time.Millisecond)
			if kib := memory(t, o); kib > mostMemory {
				t.Fatalf("the receiver takes %d MiB", kib>>10)
			}
		}
		senders.Wait()
		z.Wait()
	})
	for _, d := range z.Lost() {
		t.Errorf("%s was lost, with %d (%v)", d.Event.Name, d.Status, d.Err)
	}
	var slowest time.Duration
	unanswered := map[string]int{}
	attempts := z.Deliveries()
	for _, d := range attempts {
		switch {
		case d.Err != nil: // as for Zoom, whatever it was
			unanswered[d.Err.Error()]++
			continue
		case d.Status != http.StatusNoContent && d.Status != http.StatusServiceUnavailable:
			t.Errorf("an event was answered with %d", d.Status)
		}
		slowest = max(slowest, d.Latency)
	}
	answered := forged()
	if answered < forgers {
		t.Errorf("%d forged requests are no load", answered)
	}
	t.Logf("%d forged requests were answered", answered)
	t.Logf("%d attempts, of which %v had no answer; the slowest took %s (the machine was late by %s); the receiver takes %d MiB",
		len(attempts), unanswered, slowest, late, memory(t, o)>>10)
	if slowest > answerWithin+late {
		t.Errorf("an answer took %s", slowest)
	}
	total := 0
	for _, n := range unanswered {
		total += n
	}
	if total > len(attempts)/20 {
		t.Errorf("%d of %d attempts had no answer", total, len(attempts))
	}
}

// strangersVariable has this program, started once more, be strangers and run no tests: they need
// more open files than one process may have, and the timers of the tests are not to wait for
// theirs.
const strangersVariable = "ZOOM_OPERATOR_E2E_STRANGERS"

// crowd is a number of strangers in a process of their own.
type crowd struct {
	// Forge says that they send forged requests, one after the other; otherwise they stall.
	Forge         bool
	Many          int
	Address, Path string
}

// start starts them. They end with the test, or with what it returns, which says how many answers
// they had.
func (c crowd) start(t *testing.T) (stop func() (answers int)) {
	t.Helper()
	task, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self)
	child.Env = append(os.Environ(), strangersVariable+"="+string(task))
	child.Stderr = os.Stderr
	end, err := child.StdinPipe() // which ends with this process, however it ends
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	child.Stdout = &out
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceValue(func() (answers int) {
		if err := errors.Join(end.Close(), child.Wait()); err != nil {
			t.Errorf("the strangers ended with %v", err)
		}
		if _, err := fmt.Sscan(out.String(), &answers); err != nil {
			t.Errorf("the strangers say %q", out.String())
		}
		return answers
	})
	t.Cleanup(func() { stop() })
	return stop
}

// beStrangers is what they do, until the standard input ends.
func beStrangers(task string) {
	var c crowd
	if err := json.Unmarshal([]byte(task), &c); err != nil {
		panic(err)
	}
	over := make(chan struct{})
	var all sync.WaitGroup
	var answers atomic.Int64
	transport := &http.Transport{MaxIdleConnsPerHost: c.Many, MaxIdleConns: c.Many, ResponseHeaderTimeout: 10 * time.Second}
	for i := range c.Many {
		all.Go(func() {
			if c.Forge {
				forge(over, transport, "http://"+c.Address+c.Path, &answers)
			} else {
				stall(over, c.Address, byte(1+i%8), c.Path)
			}
		})
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // there is nothing but the end
	close(over)
	all.Wait()
	fmt.Println(answers.Load())
}

// stall keeps a connection that sends no body, and opens another when it is closed.
func stall(over <-chan struct{}, address string, from byte, path string) {
	for {
		select {
		case <-over:
			return
		default:
		}
		dialer := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, from)}}
		conn, err := dialer.Dial("tcp", address)
		if err == nil {
			_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n", path)
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			ended := make(chan struct{})
			go func() { _, _ = io.Copy(io.Discard, conn); close(ended) }()
			select {
			case <-ended:
			case <-over:
			}
			_ = conn.Close()
		}
		select {
		case <-over:
		case <-time.After(3 * time.Second):
		}
	}
}

// forge sends requests with a wrong signature.
func forge(over <-chan struct{}, transport http.RoundTripper, url string, answers *atomic.Int64) {
	for {
		select {
		case <-over:
			return
		case <-time.After(forgeAfter):
		}
		req, err := http.NewRequest(http.MethodPost, url, strings.NewReader("{}"))
		if err != nil {
			return
		}
		req.Header.Set("x-zm-request-timestamp", strconv.FormatInt(time.Now().Unix(), 10))
		req.Header.Set("x-zm-signature", "v0="+strings.Repeat("0", 64))
		if resp, err := transport.RoundTrip(req); err == nil {
			answers.Add(1)
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}
}

// memory is the resident memory of an operator, in KiB.
func memory(t *testing.T, o *cluster.Operator) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", o.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib
}
