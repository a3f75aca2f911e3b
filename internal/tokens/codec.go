package tokens

import (
	"maps"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/credentials"
)

// The keys of the Secrets. Times are as in RFC 3339, scopes are separated by spaces, as Zoom spells
// them.
const (
	keyAccessToken      = "accessToken"
	keyRefreshToken     = "refreshToken"
	keyScopes           = "scopes"
	keyAPIURL           = "apiURL"
	keyIssuedAt         = "issuedAt"
	keyExpiresAt        = "expiresAt"
	keyConsentedAt      = "consentedAt"
	keyRefreshStartedAt = "refreshStartedAt"
	keyKeptAt           = "keptAt"
	keyRestoredAt       = "restoredAt"
	keyUnexplainedSince = "unexplainedSince"
	keyRefusal          = "refusal"
	keyRefusedAt        = "refusedAt"
	keyRetryAt          = "retryAt"
	keyDropAt           = "dropAt"
	// Of attempts at Zoom that failed. The cause is a text, and unexplained is "true" or not there.
	keyFailingSince       = "failingSince"
	keyNextAttemptAt      = "nextAttemptAt"
	keyFailureCause       = "failureCause"
	keyFailureUnexplained = "failureUnexplained"
	// Of the client that the token was issued to; its secrets are one per line, as in the
	// credentials Secret.
	keyClientID          = "clientID"
	keyCredentialsSecret = "credentialsSecret"
	keyClientSecrets     = "clientSecrets"
	keyCloud             = "cloud"
	keyFormerURL         = "zoomWebURL" // of an earlier version of the operator
)

// maxCause is how long the cause of a failure may be, in bytes: it goes into conditions.
const maxCause = 256

// encode leaves out what is not known.
func encode(t Token) map[string][]byte {
	values := t.Client.encode()
	maps.Copy(values, t.Failure.encode())
	maps.Copy(values, map[string]string{
		keyAccessToken:      t.AccessToken,
		keyRefreshToken:     t.RefreshToken,
		keyScopes:           strings.Join(t.Scopes, " "),
		keyAPIURL:           t.APIURL,
		keyIssuedAt:         formatTime(t.IssuedAt),
		keyExpiresAt:        formatTime(t.ExpiresAt),
		keyConsentedAt:      formatTime(t.ConsentedAt),
		keyRefreshStartedAt: formatTime(t.RefreshStartedAt),
		keyKeptAt:           formatTime(t.KeptAt),
		keyRestoredAt:       formatTime(t.RestoredAt),
		keyUnexplainedSince: formatTime(t.UnexplainedSince),
		keyRefusal:          string(t.Refusal),
		keyRefusedAt:        formatTime(t.RefusedAt),
		keyRetryAt:          formatTime(t.RetryAt),
		keyDropAt:           formatTime(t.DropAt),
	})
	data := map[string][]byte{}
	for key, value := range values {
		if value != "" {
			data[key] = []byte(value)
		}
	}
	return data
}

// decode takes what it cannot understand for unknown. A token that was issued and expires at
// unknown times is refreshed at once, which puts everything right again.
func decode(data map[string][]byte) Token {
	return Token{
		AccessToken:      string(data[keyAccessToken]),
		RefreshToken:     string(data[keyRefreshToken]),
		Scopes:           strings.Fields(string(data[keyScopes])),
		APIURL:           string(data[keyAPIURL]),
		IssuedAt:         parseTime(data[keyIssuedAt]),
		ExpiresAt:        parseTime(data[keyExpiresAt]),
		ConsentedAt:      parseTime(data[keyConsentedAt]),
		RefreshStartedAt: parseTime(data[keyRefreshStartedAt]),
		KeptAt:           parseTime(data[keyKeptAt]),
		RestoredAt:       parseTime(data[keyRestoredAt]),
		UnexplainedSince: parseTime(data[keyUnexplainedSince]),
		Refusal:          Refusal(data[keyRefusal]),
		RefusedAt:        parseTime(data[keyRefusedAt]),
		RetryAt:          parseTime(data[keyRetryAt]),
		DropAt:           parseTime(data[keyDropAt]),
		Failure:          decodeFailure(data),
		Client:           decodeClient(data),
	}
}

// Fractions of seconds are kept, so that two refreshes never begin at the same time: a write that
// changes nothing would take no optimistic lock.
func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func parseTime(value []byte) time.Time {
	t, err := time.Parse(time.RFC3339Nano, string(value))
	if err != nil {
		return time.Time{}
	}
	return t
}

func (f Failure) encode() map[string]string {
	values := map[string]string{
		keyFailingSince:  formatTime(f.Since),
		keyNextAttemptAt: formatTime(f.NextAttemptAt),
		keyFailureCause:  f.Cause,
	}
	if f.Unexplained {
		values[keyFailureUnexplained] = "true"
	}
	return values
}

// decodeFailure takes a failure that is not whole for none: then it is tried at once.
func decodeFailure(data map[string][]byte) Failure {
	f := Failure{
		Since:         parseTime(data[keyFailingSince]),
		NextAttemptAt: parseTime(data[keyNextAttemptAt]),
		Cause:         string(data[keyFailureCause]),
		Unexplained:   string(data[keyFailureUnexplained]) == "true",
	}
	if f.Since.IsZero() || f.NextAttemptAt.IsZero() || f.Cause == "" || len(f.Cause) > maxCause || !utf8.ValidString(f.Cause) {
		return Failure{}
	}
	return f
}

func (c Client) encode() map[string]string {
	return map[string]string{
		keyClientID:          c.ID,
		keyCredentialsSecret: c.CredentialsSecret,
		keyClientSecrets:     strings.Join(c.Secrets, "\n"),
		keyCloud:             string(c.Cloud),
		keyFormerURL:         c.FormerURL,
	}
}

func decodeClient(data map[string][]byte) Client {
	return Client{
		ID:                string(data[keyClientID]),
		CredentialsSecret: string(data[keyCredentialsSecret]),
		Cloud:             v1alpha1.Cloud(data[keyCloud]),
		Secrets:           credentials.Lines(data[keyClientSecrets]),
		FormerURL:         string(data[keyFormerURL]),
	}
}
