package consent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// drawn is a picture of that size.
func drawn(t *testing.T, width int, encode func(*bytes.Buffer, image.Image) error) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := encode(&out, image.NewGray(image.Rect(0, 0, width, 8))); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func asPNG(out *bytes.Buffer, m image.Image) error  { return png.Encode(out, m) }
func asJPEG(out *bytes.Buffer, m image.Image) error { return jpeg.Encode(out, m, nil) }
func asGIF(out *bytes.Buffer, m image.Image) error  { return gif.Encode(out, m, nil) }

func TestWhatIsALogo(t *testing.T) {
	t.Parallel()
	picture := drawn(t, 8, asPNG)
	for name, tt := range map[string]struct {
		data []byte
		want string // what the URL, or the error, begins or ends with
	}{
		"a PNG":              {picture, "data:image/png;base64,"},
		"a JPEG":             {drawn(t, 8, asJPEG), "data:image/jpeg;base64,"},
		"as wide as it goes": {drawn(t, 1024, asPNG), "data:image/png;base64,"},
		"as long as it goes": {append(bytes.Clone(picture), make([]byte, 64<<10-len(picture))...), "data:image/png;base64,"},
		"nothing":            {nil, "neither PNG nor JPEG"},
		"a drawing":          {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), "neither PNG nor JPEG"},
		"a page":             {[]byte("<html>"), "neither PNG nor JPEG"},
		"a GIF":              {drawn(t, 8, asGIF), "neither PNG nor JPEG"},
		"the name of a PNG":  {picture[:8], "neither PNG nor JPEG"},
		"too wide":           {drawn(t, 1025, asPNG), "more than 1024 pixels wide or high"},
		"too long":           {append(bytes.Clone(picture), make([]byte, 64<<10)...), "more than 65536 bytes"},
	} {
		url, err := pictureURL(tt.data)
		if err != nil && (url != "" || !errors.Is(err, errNoLogo) || !strings.HasSuffix(err.Error(), tt.want)) || err == nil && !strings.HasPrefix(string(url), tt.want) {
			t.Errorf("%s is %.40q, %v; want %q", name, url, err, tt.want)
		}
	}
}

// Requests share a read for a minute, an outage takes no logo away, and what is wrong is logged
// without what the file holds.
func TestLogosAreReadSeldom(t *testing.T) {
	t.Parallel()
	app := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app"}}
	app.Spec.Publisher = &v1alpha1.Publisher{Name: "Ana", Logo: "a.png"}
	all := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "zoom-logos"}, BinaryData: map[string][]byte{"a.png": drawn(t, 8, asPNG), "b.svg": []byte("<svg/>")}}
	var asked []types.NamespacedName
	var away error
	live := fake.NewClientBuilder().WithObjects(all).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, options ...client.GetOption) error {
			asked = append(asked, key)
			if away != nil {
				return away
			}
			return c.Get(ctx, key, obj, options...)
		},
	}).Build()
	now, logged := time.Unix(1_800_000_000, 0), ""
	l := newLogos(live, func() time.Time { return now }, funcr.New(func(_, line string) { logged += line }, funcr.Options{}))
	shown := func(want bool, reads int, says string) {
		t.Helper()
		logged = ""
		before := len(asked)
		if got := l.of(t.Context(), app); (got != "") != want || len(asked)-before != reads || says == "" && logged != "" || !strings.Contains(logged, says) {
			t.Errorf("the logo is %.30q, after %d reads, and the log says %q", got, len(asked)-before, logged)
		}
	}
	shown(true, 1, "")
	shown(true, 0, "")
	now, away = now.Add(time.Minute), errors.New("away")
	shown(true, 1, "away")
	now, away = now.Add(time.Minute), nil
	shown(true, 1, "")
	app.Spec.Publisher.Logo = "b.svg"
	shown(false, 1, "neither PNG nor JPEG")
	shown(false, 0, "")
	app.Spec.Publisher.Logo = "c.png"
	shown(false, 1, "has no binaryData of the key")
	app.Spec.Publisher = nil
	shown(false, 0, "")
	for _, key := range asked {
		if key != client.ObjectKeyFromObject(all) {
			t.Errorf("it read %s", key)
		}
	}
}

// However many apps there are, a process reads no more than its budget.
func TestReadsOfLogosAreBounded(t *testing.T) {
	t.Parallel()
	reads := 0
	live := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			reads++
			return errors.New("away")
		},
	}).Build()
	now := time.Unix(1_800_000_000, 0)
	l := newLogos(live, func() time.Time { return now }, logr.Discard())
	ask := func() {
		for i := range 1000 {
			app := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: fmt.Sprint("app-", i)}}
			app.Spec.Publisher = &v1alpha1.Publisher{Name: "Ana", Logo: "a.png"}
			l.of(t.Context(), app)
		}
	}
	ask()
	now = now.Add(time.Second)
	ask()
	if reads != logoReadsAtOnce+logoReadsPerSecond || len(l.known) != reads {
		t.Errorf("%d reads, and %d logos are known", reads, len(l.known))
	}
	now = now.Add(2 * logoIdle)
	app := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "another"}}
	app.Spec.Publisher = &v1alpha1.Publisher{Name: "Ana", Logo: "a.png"}
	if l.of(t.Context(), app); len(l.known) != 1 {
		t.Errorf("after a quiet time %d logos are known", len(l.known))
	}
}
