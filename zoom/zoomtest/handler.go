package zoomtest

import (
	"errors"
	"net/http"
)

var _ http.Handler = (*Server)(nil)

// NewServer returns a Server without apps, or an error that names what is wrong in the config.
func NewServer(config ServerConfig) (*Server, error) {
	if len(config.Users) == 0 {
		return nil, errors.New("zoomtest: Users is empty")
	}
	if !(config.Scale >= 0) { // written so that NaN fails
		return nil, errors.New("zoomtest: Scale is not a positive number")
	}
	if config.Scale == 0 {
		config.Scale = 1
	}
	if config.Clock == nil {
		config.Clock = realClock{}
	}
	s := &Server{
		config:    config,
		mux:       http.NewServeMux(),
		apps:      map[string]App{},
		grants:    map[installation]*grant{},
		codes:     map[string]*code{},
		refresh:   map[string]*refreshToken{},
		access:    map[string]*accessToken{},
		pages:     map[string]page{},
		faults:    map[Step][]*injected{},
		forbidden: map[[2]string]bool{},
		stats:     Stats{Requests: map[Step]int{}},
	}
	s.mux.HandleFunc("GET /oauth/authorize", s.step(StepAuthorize, s.authorize))
	s.mux.HandleFunc("POST /oauth/authorize", s.step(StepDecide, s.decide))
	s.mux.HandleFunc("POST /oauth/token", s.token)
	s.mux.HandleFunc("POST /oauth/revoke", s.step(StepRevoke, s.strictly("revoke", s.revoke)))
	s.mux.HandleFunc("GET /v2/users/me", s.step(StepMe, s.named("me", s.me)))
	s.mux.HandleFunc("POST "+subscriptions, s.step(StepCreateSubscription, s.accepting("subscription", s.createSubscription)))
	s.mux.HandleFunc("GET "+subscriptions, s.step(StepListSubscriptions, s.accepting("subscription", s.listSubscriptions)))
	s.mux.HandleFunc("DELETE "+subscriptions, s.step(StepUnsubscribe, s.accepting("subscription", s.unsubscribe)))
	s.mux.HandleFunc("PATCH "+subscriptions+"/{id}", s.step(StepSubscribe, s.accepting("subscription", s.subscribe)))
	s.mux.HandleFunc("DELETE "+subscriptions+"/{id}", s.step(StepDeleteSubscription, s.accepting("subscription", s.deleteSubscription)))
	s.mux.HandleFunc("GET "+webhookLogs, s.step(StepWebhookLog, s.accepting("webhook log", s.webhookLog)))
	return s, nil
}

// ServeHTTP implements http.Handler. The Date of answers is the Clock's.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.config.Clock.Now().UTC().Format(http.TimeFormat))
	if read := s.read(r); read != nil {
		read(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}
