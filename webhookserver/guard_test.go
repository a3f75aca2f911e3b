package webhookserver

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
)

func TestAPanicIsAnsweredAndLogged(t *testing.T) {
	var log strings.Builder
	logger := funcr.New(func(_, args string) { log.WriteString(args) }, funcr.Options{})
	handler := guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a payload") }), logger)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	if answer.Code != http.StatusInternalServerError {
		t.Errorf("answered %d", answer.Code)
	}
	if !strings.Contains(log.String(), "guard_test.go") || strings.Contains(log.String(), "a payload") {
		t.Errorf("the log tells not where, or too much: %s", log.String())
	}
}
