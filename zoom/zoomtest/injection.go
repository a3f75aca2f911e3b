package zoomtest

import "net/http"

// Inject makes the next requests of a step meet the fault: so many of them, or with a negative
// number all until Heal. Faults of one step happen one after the other.
func (s *Server) Inject(step Step, times int, fault Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[step] = append(s.faults[step], &injected{fault, times})
}

// Heal removes all faults that have not happened.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.faults)
}

// step counts a request and lets it meet the fault that is due.
func (s *Server) step(step Step, handler http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.due(step, handler).ServeHTTP(w, r)
	}
}

func (s *Server) due(step Step, handler http.Handler) http.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Requests[step]++
	queue := s.faults[step]
	for len(queue) > 0 && queue[0].times == 0 {
		queue = queue[1:]
	}
	s.faults[step] = queue
	if len(queue) == 0 {
		return handler
	}
	if queue[0].times > 0 {
		queue[0].times--
	}
	return queue[0].fault(handler)
}
