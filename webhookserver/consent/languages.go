package consent

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strings"

	"golang.org/x/text/language"
)

// tongue is one of the languages of the pages: what they say, by name.
type tongue struct {
	tag language.Tag
	// Words are texts, in which {app} and {publisher} stand for those.
	Words map[string]string `json:"words"`
	// Problems are what the pages of problems say, by their reason.
	Problems map[string]wording `json:"problems"`
}

// wording is what the page of a problem says, in the customer's words: its reader installs an app
// and does not run it.
type wording struct {
	Title string   `json:"title"`
	Text  []string `json:"text"`
}

//go:embed languages
var languageFiles embed.FS

var (
	english = mustLoad(language.English)
	// tongues are all languages; the first is for who understands none of them.
	tongues = []*tongue{english, mustLoad(language.Spanish), mustLoad(language.German), mustLoad(language.French)}
	matcher = language.NewMatcher(tagsOf(tongues))
)

// maxAcceptLanguage is how much of a header is looked at; browsers send less than a hundred
// characters.
const maxAcceptLanguage = 512

func mustLoad(tag language.Tag) *tongue {
	content, err := languageFiles.ReadFile(path.Join("languages", tag.String()+".json"))
	if err != nil {
		panic(err) // the file is part of the binary
	}
	l := &tongue{tag: tag}
	if err := json.Unmarshal(content, l); err != nil {
		panic(err)
	}
	return l
}

func tagsOf(all []*tongue) []language.Tag {
	var tags []language.Tag
	for _, l := range all {
		tags = append(tags, l.tag)
	}
	return tags
}

// tongueOf is the language that the user of a browser reads best.
func tongueOf(r *http.Request) *tongue {
	wanted := r.Header.Get("Accept-Language")
	if wanted == "" || len(wanted) > maxAcceptLanguage {
		return english
	}
	tags, _, err := language.ParseAcceptLanguage(wanted)
	if err != nil {
		return english
	}
	_, i, _ := matcher.Match(tags...)
	return tongues[i]
}

// text is the text of that name, about an app.
func (l *tongue) text(key, app string) string {
	return strings.NewReplacer("{app}", app).Replace(l.Words[key])
}

// markup is the text of that name with the app and its publisher in it, marked as such. Nothing in
// their names is markup.
func (l *tongue) markup(key, app, publisher string) (template.HTML, error) {
	text, ok := l.Words[key]
	if !ok {
		return "", fmt.Errorf("the pages have no words %s in %s", key, l.tag)
	}
	marked := func(name string) string { return "<strong>" + template.HTMLEscapeString(name) + "</strong>" }
	filled := strings.NewReplacer("{app}", marked(app), "{publisher}", marked(publisher)).Replace(template.HTMLEscapeString(text))
	return template.HTML(filled), nil //nolint:gosec // everything in it is escaped
}
