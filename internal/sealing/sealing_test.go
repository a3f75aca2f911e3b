package sealing

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestOpen(t *testing.T) {
	invitation := Invitation{Name: "grace-chapel", UID: "0b5d"}
	seal := func(t *testing.T, b *Box) string {
		t.Helper()
		sealed, err := b.Seal(PurposeInvitation, noon.Add(time.Hour), invitation)
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	tests := map[string]struct {
		sealer  *Box
		opener  *Box
		purpose string
		at      time.Time
		want    error
	}{
		"the app that sealed it opens it": {
			sealer: New([]string{"s1"}, "community", "groups"), opener: New([]string{"s1"}, "community", "groups"),
		},
		"it opens in the last second": {
			sealer: New([]string{"s1"}, "community", "groups"), opener: New([]string{"s1"}, "community", "groups"),
			at: noon.Add(time.Hour - time.Second),
		},
		"it does not open when its time is up": {
			sealer: New([]string{"s1"}, "community", "groups"), opener: New([]string{"s1"}, "community", "groups"),
			at: noon.Add(time.Hour), want: ErrExpired,
		},
		"an older client secret still opens during a rotation": {
			sealer: New([]string{"s1"}, "community", "groups"), opener: New([]string{"s2", "s1"}, "community", "groups"),
		},
		"the newest client secret seals": {
			sealer: New([]string{"s2", "s1"}, "community", "groups"), opener: New([]string{"s2"}, "community", "groups"),
		},
		"a client secret that was taken away opens nothing": {
			sealer: New([]string{"s1"}, "community", "groups"), opener: New([]string{"s2"}, "community", "groups"), want: ErrInvalid,
		},
		"an app without client secrets opens nothing": {
			sealer: New([]string{"s1"}, "community", "groups"), opener: New(nil, "community", "groups"), want: ErrInvalid,
		},
		"another app with the same client secret opens nothing": {
			sealer: New([]string{"s1"}, "community", "groups"), opener: New([]string{"s1"}, "community", "choirs"), want: ErrInvalid,
		},
		"an app of that name in another namespace opens nothing": {
			sealer: New([]string{"s1"}, "community", "groups"), opener: New([]string{"s1"}, "school", "groups"), want: ErrInvalid,
		},
		"an invitation is no cookie": {
			sealer: New([]string{"s1"}, "community", "groups"), opener: New([]string{"s1"}, "community", "groups"),
			purpose: PurposeConsent, want: ErrInvalid,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.purpose == "" {
				tc.purpose = PurposeInvitation
			}
			if tc.at.IsZero() {
				tc.at = noon
			}
			var got, want Invitation
			err := tc.opener.Open(tc.purpose, tc.at, seal(t, tc.sealer), &got)
			if !errors.Is(err, tc.want) {
				t.Fatalf("Open returned %v, want %v", err, tc.want)
			}
			if tc.want == nil {
				want = invitation
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Open gave (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOpenRefusesWhatIsNoSealedValue(t *testing.T) {
	box := New([]string{"s1"}, "community", "groups")
	sealed, err := box.Seal(PurposeConsent, noon.Add(time.Hour), "a state")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"nothing":            "",
		"no base64":          "ein Käse",
		"padding":            sealed + "=",
		"less than a nonce":  base64.RawURLEncoding.EncodeToString(make([]byte, 5)),
		"zeros":              base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
		"only the beginning": sealed[:len(sealed)-4],
		"more than fits":     strings.Repeat("A", maxSize+1),
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			if err := box.Open(PurposeConsent, noon, text, &got); !errors.Is(err, ErrInvalid) || got != "" {
				t.Errorf("Open returned %v and %q, want %v and nothing", err, got, ErrInvalid)
			}
		})
	}
}

func TestSealRefuses(t *testing.T) {
	if _, err := New(nil, "community", "groups").Seal(PurposeConsent, noon, "v"); err == nil {
		t.Error("an app without client secrets sealed something")
	}
	box := New([]string{"s1"}, "community", "groups")
	if _, err := box.Seal(PurposeConsent, noon, strings.Repeat("v", maxSize)); err == nil {
		t.Error("a value was sealed that cannot be opened for its size")
	}
	if _, err := box.Seal(PurposeConsent, noon, func() {}); err == nil {
		t.Error("a function was sealed")
	}
}

func TestSealedValuesAreUnlike(t *testing.T) {
	box := New([]string{"s1"}, "community", "groups")
	one, _ := box.Seal(PurposeConsent, noon, "v")
	two, _ := box.Seal(PurposeConsent, noon, "v")
	if one == two {
		t.Error("the same value was sealed into the same text twice, so the nonce repeats")
	}
}

// What was sealed comes back unchanged, and no byte of it can be changed unnoticed.
func TestSealedValuesCannotBeChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		box := New([]string{rapid.StringN(1, 40, 80).Draw(t, "secret")}, "community", "groups")
		value := rapid.StringN(0, 200, 800).Draw(t, "value")
		sealed, err := box.Seal(PurposeConsent, noon.Add(time.Minute), value)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := box.Open(PurposeConsent, noon, sealed, &got); err != nil || got != value {
			t.Fatalf("%q came back as %q, %v", value, got, err)
		}
		raw, _ := base64.RawURLEncoding.DecodeString(sealed)
		raw[rapid.IntRange(0, len(raw)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		err = box.Open(PurposeConsent, noon, base64.RawURLEncoding.EncodeToString(raw), &got)
		if !errors.Is(err, ErrInvalid) {
			t.Fatalf("a changed value was opened: %v", err)
		}
	})
}
