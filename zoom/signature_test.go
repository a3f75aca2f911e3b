package zoom_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	secret = "test-secret-token-0001"
	maxAge = 2 * time.Hour
)

// vectors are requests whose signatures were computed with two other implementations of HMAC.
var vectors = map[string]struct {
	file      string // in testdata/vectors; empty is the empty body
	timestamp string
	signature string
}{
	"a body in ASCII": {
		"ascii.json", "1772442005",
		"v0=f1ddc58fa302375aff53c8486de0f88a1359a1a59a9fda34283d77a558973bc4",
	},
	"a body with characters from all planes of Unicode": {
		"non-ascii.json", "1772443871",
		"v0=70e875214c8f9b20086ee3aff911bcdcc7e8b25587584bb49c5576a31872e28d",
	},
	"a challenge": {
		"challenge.json", "1772441000",
		"v0=f26a7000bbb19a55fa1447df82252e94c33c00ec6aaf246823ef28256032c56f",
	},
	"a deauthorization": {
		"deauthorization.json", "1772450001",
		"v0=6ce37cd489d96350510e1f8f672f9a7039eb72ce54f25c3f3ff0114b87e586a4",
	},
	"a body with escapes that encoding it again would change": {
		"escapes.json", "1772451111",
		"v0=de7e138754ebdd6d10906e2d01dbbaed17fc550b55275ff6be2f7505c67fdeec",
	},
	"an empty body": {
		"", "1772451112",
		"v0=f1adf0b43aad7d7839b437943afb9b16526c9381f2414404ba574cc1ed811520",
	},
}

func vector(t testing.TB, file string) []byte {
	t.Helper()
	if file == "" {
		return nil
	}
	body, err := os.ReadFile(filepath.Join("testdata", "vectors", file))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func signed(timestamp, signature string) http.Header {
	h := http.Header{}
	h.Set(zoom.HeaderTimestamp, timestamp)
	h.Set(zoom.HeaderSignature, signature)
	return h
}

func unix(t testing.TB, timestamp string) time.Time {
	t.Helper()
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Unix(seconds, 0).UTC()
}

func TestVectors(t *testing.T) {
	for name, v := range vectors {
		t.Run(name, func(t *testing.T) {
			body := vector(t, v.file)
			if got := zoom.Sign(secret, v.timestamp, body); got != v.signature {
				t.Errorf("Sign = %s, want %s", got, v.signature)
			}
			now := unix(t, v.timestamp)
			got, err := zoom.Verify(signed(v.timestamp, v.signature), body, []string{secret}, now, maxAge)
			if want := (zoom.Verified{Secret: secret, Timestamp: now}); err != nil || got != want {
				t.Errorf("Verify = %+v, %v; want the secret and the timestamp", got, err)
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	const (
		timestamp = "1772442005"
		signature = "v0=f1ddc58fa302375aff53c8486de0f88a1359a1a59a9fda34283d77a558973bc4"
	)
	ascii := vector(t, "ascii.json")
	authenticated := signed(timestamp, signature)
	with := func(change func(http.Header)) http.Header {
		h := authenticated.Clone()
		change(h)
		return h
	}
	set := func(key, value string) http.Header {
		return with(func(h http.Header) { h.Set(key, value) })
	}

	tests := map[string]struct {
		header  http.Header
		body    []byte
		secrets []string
		want    error
	}{
		"the body with a line feed at its end": {
			body: append(vector(t, "ascii.json"), '\n'), want: zoom.ErrSignature,
		},
		"the signature of the body with a line feed at its end": {
			header: set(zoom.HeaderSignature, "v0=98dab497fc2a1fa54956cceeae1b5f866b525217a67477c84e7a74cf79b8411c"),
			want:   zoom.ErrSignature,
		},
		"the signature of a timestamp in milliseconds": {
			header: set(zoom.HeaderSignature, "v0=70744899586d67f1ed9b9ecacdc23a782def0fa25f856307c6a80d46ac8e9fee"),
			want:   zoom.ErrSignature,
		},
		"a timestamp in milliseconds, although the signature covers it": {
			header: signed("1772442005000", "v0=70744899586d67f1ed9b9ecacdc23a782def0fa25f856307c6a80d46ac8e9fee"),
			want:   zoom.ErrStale,
		},
		"a signature computed over ASCII only": {
			header: signed("1772443871", "v0=20253d0939cf38fb8e3a2a5b826d1907f1de8b322be35495b74a62346ff765c3"),
			body:   vector(t, "non-ascii.json"), want: zoom.ErrSignature,
		},
		"a signature computed over JSON encoded again": {
			header: signed("1772451111", "v0=163c46bf4f5397bc8755cdd05c5aead7fb64d17829dec2e09918227eeb438685"),
			body:   vector(t, "escapes.json"), want: zoom.ErrSignature,
		},
		"another secret":     {secrets: []string{"test-secret-token-0002"}, want: zoom.ErrSignature},
		"no secret":          {secrets: []string{}, want: zoom.ErrSignature},
		"another timestamp":  {header: set(zoom.HeaderTimestamp, "1772442006"), want: zoom.ErrSignature},
		"a timestamp with 0": {header: set(zoom.HeaderTimestamp, "01772442005"), want: zoom.ErrSignature},
		"an empty secret": {
			header: signed(timestamp, zoom.Sign("", timestamp, ascii)), secrets: []string{"", secret}, want: zoom.ErrSignature,
		},

		"no headers":   {header: http.Header{}, want: zoom.ErrUnsigned},
		"no signature": {header: with(func(h http.Header) { h.Del(zoom.HeaderSignature) }), want: zoom.ErrUnsigned},
		"no timestamp": {header: with(func(h http.Header) { h.Del(zoom.HeaderTimestamp) }), want: zoom.ErrUnsigned},
		"two signatures": {
			header: with(func(h http.Header) { h.Add(zoom.HeaderSignature, signature) }), want: zoom.ErrUnsigned,
		},
		"two timestamps": {
			header: with(func(h http.Header) { h.Add(zoom.HeaderTimestamp, timestamp) }), want: zoom.ErrUnsigned,
		},
		"an empty signature":       {header: set(zoom.HeaderSignature, ""), want: zoom.ErrUnsigned},
		"an empty timestamp":       {header: set(zoom.HeaderTimestamp, ""), want: zoom.ErrUnsigned},
		"V0 in upper case":         {header: set(zoom.HeaderSignature, "V0="+signature[3:]), want: zoom.ErrUnsigned},
		"v1":                       {header: set(zoom.HeaderSignature, "v1="+signature[3:]), want: zoom.ErrUnsigned},
		"no version":               {header: set(zoom.HeaderSignature, signature[3:]), want: zoom.ErrUnsigned},
		"upper-case digits":        {header: set(zoom.HeaderSignature, "v0="+strings.ToUpper(signature[3:])), want: zoom.ErrUnsigned},
		"63 digits":                {header: set(zoom.HeaderSignature, signature[:len(signature)-1]), want: zoom.ErrUnsigned},
		"65 digits":                {header: set(zoom.HeaderSignature, signature+"0"), want: zoom.ErrUnsigned},
		"a digit that is not hex":  {header: set(zoom.HeaderSignature, "v0=g"+signature[4:]), want: zoom.ErrUnsigned},
		"a signature after spaces": {header: set(zoom.HeaderSignature, " "+signature), want: zoom.ErrUnsigned},
		"a timestamp of letters":   {header: set(zoom.HeaderTimestamp, "abc"), want: zoom.ErrUnsigned},
		"a negative timestamp":     {header: set(zoom.HeaderTimestamp, "-1772442005"), want: zoom.ErrUnsigned},
		"a timestamp with a plus":  {header: set(zoom.HeaderTimestamp, "+1772442005"), want: zoom.ErrUnsigned},
		"a timestamp in hex":       {header: set(zoom.HeaderTimestamp, "0x69a5"), want: zoom.ErrUnsigned},
		"a fractional timestamp":   {header: set(zoom.HeaderTimestamp, "1772442005.0"), want: zoom.ErrUnsigned},
		"a date":                   {header: set(zoom.HeaderTimestamp, "2026-03-02T09:00:05Z"), want: zoom.ErrUnsigned},
		"Arabic-Indic digits":      {header: set(zoom.HeaderTimestamp, "١٧٧٢٤٤٢٠٠٥"), want: zoom.ErrUnsigned},
		"a timestamp beyond int64": {header: set(zoom.HeaderTimestamp, "99999999999999999999"), want: zoom.ErrUnsigned},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			header, body, secrets := tt.header, tt.body, tt.secrets
			if header == nil {
				header = authenticated
			}
			if body == nil {
				body = ascii
			}
			if secrets == nil {
				secrets = []string{secret}
			}
			got, err := zoom.Verify(header, body, secrets, unix(t, timestamp), maxAge)
			if !errors.Is(err, tt.want) || got != (zoom.Verified{}) {
				t.Errorf("Verify = %+v, %v; want nothing and %v", got, err, tt.want)
			}
		})
	}
}

func TestVerifyReadsHeaderNamesInAnyCase(t *testing.T) {
	body := vector(t, "ascii.json")
	h := http.Header{}
	h.Set("x-zm-request-timestamp", "1772442005")
	h.Set("X-ZM-SIGNATURE", zoom.Sign(secret, "1772442005", body))
	if _, err := zoom.Verify(h, body, []string{secret}, unix(t, "1772442005"), maxAge); err != nil {
		t.Error(err)
	}
}

func TestVerifyReturnsTheSecretThatMatched(t *testing.T) {
	body := []byte(`{}`)
	h := signed("1772442005", zoom.Sign("old", "1772442005", body))
	got, err := zoom.Verify(h, body, []string{"new", "", "old"}, unix(t, "1772442005"), maxAge)
	if err != nil || got.Secret != "old" {
		t.Errorf("Verify = %q, %v; want the second secret", got.Secret, err)
	}
}

func TestVerifyAge(t *testing.T) {
	now := unix(t, "1772442005")
	tests := map[string]struct {
		sent   time.Time
		secret string
		want   error
	}{
		"just sent":                       {sent: now},
		"sent as long ago as allowed":     {sent: now.Add(-maxAge)},
		"sent a second too long ago":      {sent: now.Add(-maxAge - time.Second), want: zoom.ErrStale},
		"as far ahead as clocks may be":   {sent: now.Add(zoom.MaxClockSkew)},
		"a second too far ahead":          {sent: now.Add(zoom.MaxClockSkew + time.Second), want: zoom.ErrStale},
		"sent in 1970":                    {sent: time.Unix(0, 0), want: zoom.ErrStale},
		"sent at the end of all accepted": {sent: time.Unix(999999999999999999, 0), want: zoom.ErrStale},
		"old and forged is forged":        {sent: time.Unix(0, 0), secret: "forged", want: zoom.ErrSignature},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			key := tt.secret
			if key == "" {
				key = secret
			}
			body, timestamp := []byte(`{}`), strconv.FormatInt(tt.sent.Unix(), 10)
			h := signed(timestamp, zoom.Sign(key, timestamp, body))
			if _, err := zoom.Verify(h, body, []string{secret}, now, maxAge); !errors.Is(err, tt.want) {
				t.Errorf("Verify: %v, want %v", err, tt.want)
			}
		})
	}
}

// hmacSHA256 follows RFC 2104 word by word, as an oracle that shares nothing with the code under
// test but the hash.
func hmacSHA256(key, message []byte) []byte {
	if len(key) > sha256.BlockSize {
		sum := sha256.Sum256(key)
		key = sum[:]
	}
	inner, outer := make([]byte, sha256.BlockSize), make([]byte, sha256.BlockSize)
	copy(inner, key)
	copy(outer, key)
	for i := range sha256.BlockSize {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	sum := sha256.Sum256(append(inner, message...))
	sum = sha256.Sum256(append(outer, sum[:]...))
	return sum[:]
}

// FuzzVerify holds that a request passes exactly when the oracle computes the signature that it
// carries, and that one the oracle signed passes.
func FuzzVerify(f *testing.F) {
	for _, v := range vectors {
		f.Add(secret, v.timestamp, v.signature, vector(f, v.file))
	}
	f.Add("", "0", "v0="+strings.Repeat("0", 64), []byte(nil))
	f.Add(strings.Repeat("k", 65), "1772442005", "V0="+strings.Repeat("F", 64), []byte("{"))
	f.Fuzz(func(t *testing.T, key, timestamp, signature string, body []byte) {
		mac := hmacSHA256([]byte(key), append([]byte("v0:"+timestamp+":"), body...))
		authenticated := "v0=" + hex.EncodeToString(mac)

		wellFormed := timestamp != "" && len(timestamp) <= 18 && strings.Trim(timestamp, "0123456789") == ""
		now := time.Now()
		if wellFormed {
			seconds, err := strconv.ParseInt(timestamp, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			now = time.Unix(seconds, 0)
		}
		for _, s := range []string{signature, authenticated} {
			_, err := zoom.Verify(signed(timestamp, s), body, []string{key}, now, math.MaxInt64)
			want := wellFormed && key != "" && s == authenticated
			if (err == nil) != want {
				t.Errorf("Verify: %v; authenticated: %t", err, want)
			}
		}
		if got := zoom.Sign(key, timestamp, body); got != authenticated {
			t.Errorf("Sign = %s, want %s", got, authenticated)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	v := vectors["a body in ASCII"]
	body, h, now := vector(b, v.file), signed(v.timestamp, v.signature), unix(b, v.timestamp)
	secrets := []string{"new-secret-token-0002", secret}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := zoom.Verify(h, body, secrets, now, maxAge); err != nil {
			b.Fatal(err)
		}
	}
}
