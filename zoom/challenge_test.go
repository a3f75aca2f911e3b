package zoom_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/zoom-operator/zoom-operator/zoom"
)

func TestChallengeAnswer(t *testing.T) {
	e, err := zoom.ParseEvent(vector(t, "challenge.json"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(e.Challenge.Answer(secret))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"plainToken":"Zp1aInToKeN_0123456789",` +
		`"encryptedToken":"cba19855fe42927dc05cb31638da418407f723f7fe947d3b4e84322e3f305eef"}`
	if string(got) != want {
		t.Errorf("answer = %s, want %s", got, want)
	}
}

func TestChallengeIsNoSigningOracle(t *testing.T) {
	for name, token := range map[string]string{
		"the text that a webhook signature covers": "v0:1772442005:{}",
		"a colon":        "a:b",
		"a space":        "a b",
		"a line feed":    "a\n",
		"a slash":        "a/b",
		"a NUL":          "a\x00",
		"another script": "ａ",
		"129 characters": strings.Repeat("a", 129),
		"nothing":        "",
	} {
		t.Run(name, func(t *testing.T) {
			body, err := json.Marshal(map[string]any{
				"event": zoom.EventURLValidation, "payload": map[string]any{"plainToken": token},
			})
			if err != nil {
				t.Fatal(err)
			}
			if e, err := zoom.ParseEvent(body); !errors.Is(err, zoom.ErrMalformed) {
				t.Errorf("ParseEvent = %+v, %v; want ErrMalformed", e, err)
			}
		})
	}
}
