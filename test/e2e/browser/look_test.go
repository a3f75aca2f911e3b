package browser

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// screens are what the pages have to be fit for.
var screens = []struct {
	name          string
	width, height int64
	scheme        string
}{
	{"desktop", 1280, 800, "light"},
	{"dark", 1280, 800, "dark"},
	{"phone", 360, 740, "light"},
	{"small-phone-dark", 320, 568, "dark"},
}

// faults finds what makes a page hard to use. It is run by the browser's developer tools, for the
// page runs nothing.
const faults = `(() => {
	const out = [];
	const one = (css) => document.querySelectorAll(css).length === 1 || out.push('there is not one ' + css);
	one('html[lang]'); one('main'); one('h1'); one('title');
	document.title.trim() || out.push('the title is empty');
	document.title.includes(document.querySelector('h1').textContent.trim()) || out.push('the title does not say what the heading says');
	const levels = [...document.querySelectorAll('h1,h2,h3,h4')].map((h) => +h.tagName[1]);
	levels.forEach((level, i) => i && level > levels[i - 1] + 1 && out.push('a heading skips a level'));
	document.documentElement.scrollWidth <= window.innerWidth || out.push('the page is ' + document.documentElement.scrollWidth + ' wide on a screen of ' + window.innerWidth);
	document.scripts.length === 0 || out.push('there is a script');
	for (const el of document.querySelectorAll('a, button, summary')) {
		el.textContent.trim() || out.push('a control has no name');
		const box = el.getBoundingClientRect();
		box.height >= 24 || el.closest('p:not(.go)') || out.push(el.textContent + ' is only ' + box.height + ' high');
	}
	for (const el of document.querySelectorAll('.button')) {
		const box = el.getBoundingClientRect();
		box.height >= 44 || out.push(el.textContent + ' is only ' + box.height + ' high for a finger');
	}
	for (const el of document.querySelectorAll('svg')) el.getAttribute('aria-hidden') === 'true' || out.push('a picture is read out');
	getComputedStyle(document.querySelector('main')).borderTopLeftRadius !== '0px' || out.push('the style does not apply');
	parseFloat(getComputedStyle(document.querySelector('p')).fontSize) >= 15 || out.push('the text is small');
	const rgb = (c) => c.match(/[\d.]+/g).map(Number);
	const light = (c) => { const [r, g, b] = rgb(c).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	const ground = (el) => { for (; el; el = el.parentElement) { const c = getComputedStyle(el).backgroundColor; if (rgb(c)[3] !== 0) return c; } return 'rgb(255, 255, 255)'; };
	for (const el of document.querySelectorAll('h1, h2, p, li, a, button, summary, code, strong')) {
		const [a, b] = [light(getComputedStyle(el).color), light(ground(el))];
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		ratio >= 4.5 || out.push(el.tagName + ' has a contrast of ' + ratio.toFixed(2));
	}
	return out;
})()`

// look checks the page on every screen, and keeps a picture of each.
func (b *tab) look(t *testing.T, name string) {
	t.Helper()
	for _, screen := range screens {
		b.on(t, screen.width, screen.height, screen.scheme)
		found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](faults))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			t.Errorf("on screen %s: %s", screen.name, f)
		}
		b.accessible(t, screen.name)
		b.picture(t, name+"-"+screen.name)
	}
	b.on(t, screens[0].width, screens[0].height, screens[0].scheme)
}

func (b *tab) on(t *testing.T, width, height int64, scheme string) {
	t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(width, height)); err != nil {
		t.Fatal(err)
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, media); err != nil {
		t.Fatal(err)
	}
}
