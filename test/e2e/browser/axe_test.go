package browser

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// axe is axe-core, which knows what keeps people from using a page.
//
//go:embed testdata/axe-core/axe.min.js
var axe string

//go:embed testdata/axe-core/README.md
var axeReadme string

// violations runs every rule of axe-core, its best practices too, and has each finding with the
// elements that it is about. What it could not decide is none.
const violations = `(async () => {
	const result = await axe.run(document, { resultTypes: ['violations'] });
	if (result.passes.length < 10) throw new Error('axe-core looked at nothing');
	return result.violations.map((v) => v.id + ': ' + v.help + ': ' + v.nodes.map((n) => n.html).join(' '));
})()`

func TestAxeIsWhatItsReadmeSays(t *testing.T) {
	sum := sha256.Sum256([]byte(axe))
	if !strings.Contains(axeReadme, hex.EncodeToString(sum[:])) {
		t.Errorf("axe.min.js has the SHA-256 %x", sum)
	}
}

// accessible fails for what axe-core finds on the page. Scripts, which are off as for the cautious
// among customers, are on for as long: axe-core waits by timers.
func (b *tab) accessible(t *testing.T, screen string) {
	t.Helper()
	b.scripts(t, true)
	defer b.scripts(t, false)
	if err := chromedp.Do(b.ctx, chromedp.Evaluate[chromedp.Void](axe)); err != nil {
		t.Fatal(err)
	}
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](violations, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		t.Errorf("on screen %s: %s", screen, v)
	}
}

// scripts switches the page's scripts on or off.
func (b *tab) scripts(t *testing.T, on bool) {
	t.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on}); err != nil {
		t.Fatal(err)
	}
}
