package browser

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// hostileTexts are what people write into a form to see what happens: markup, scripts, addresses, templates, SQL, letters of all kinds.
func hostileTexts(t *testing.T) []string {
	file, err := os.ReadFile("../testdata/hostile.txt")
	require.NoError(t, err)
	var texts []string
	for line := range strings.Lines(string(file)) {
		text, err := strconv.Unquote(strings.TrimSpace(line))
		require.NoError(t, err, line)
		texts = append(texts, text)
	}
	require.Len(t, texts, 60)
	return texts
}

// atMost cuts a text to so many bytes, as the API takes no more.
func atMost(text string, n int) string {
	return strings.ToValidUTF8(text[:min(len(text), n)], "")
}

// words is a text as it is seen: what is no letter between words does not matter.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }

func (b *tab) send(status int, method, path string, body any) map[string]any {
	b.Helper()
	text, err := json.Marshal(body)
	require.NoError(b, err)
	return b.call(status, method, path, string(text), "application/json")
}

// writeHostile fills an installation with the texts, one or all of them in every field that takes any.
func (b *tab) writeHostile(texts []string) {
	b.Helper()
	all := strings.Join(texts, "\n")
	short := make([]string, len(texts))
	for i, text := range texts {
		short[i] = atMost(text, 100)
	}
	features := make([]any, len(texts))
	services := []any{}
	for i, text := range texts {
		feature := map[string]any{
			"name": fmt.Sprintf("f%02d", i), "value_type": "STRING", "description": text, "owner": text, "source": text, "category": text, "unit": text, "tags": []string{short[i]},
			"metadata": map[string]any{text: text},
		}
		if at := "https://example.org/" + text; !strings.ContainsFunc(at, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			if u, err := url.Parse(at); err == nil && u.Host != "" {
				feature["docs_url"] = at
			}
		}
		if i%2 == 1 {
			feature["status"], feature["reason"], feature["replacement"] = "deprecated", text, "hostile:f00"
		}
		features[i] = feature
		services = append(services, map[string]any{"name": fmt.Sprintf("s%02d", i), "description": text, "owner": text, "tags": []string{short[i]}, "features": []string{fmt.Sprintf("hostile:f%02d", i)}})
	}
	about := func(members map[string]any) map[string]any {
		members["description"], members["owner"] = all, texts[32]
		return members
	}
	tagged := func(members map[string]any) map[string]any {
		members = about(members)
		members["tags"] = short[:50]
		return members
	}
	b.send(200, "POST", "/apply", map[string]any{
		"entity_types": []any{tagged(map[string]any{"name": "thing", "join_keys": []any{map[string]any{"name": "thing_id", "value_type": "STRING"}}})},
		"groups": []any{
			tagged(map[string]any{"name": "hostile", "entity_type": "thing", "features": features}),
			tagged(map[string]any{"name": "kept", "entity_type": "thing", "features": []any{
				map[string]any{"name": "text", "value_type": "STRING"}, map[string]any{"name": "document", "value_type": "JSON"}, map[string]any{"name": "list", "value_type": "STRING[]"}}}),
			tagged(map[string]any{"name": "clicks", "entity_type": "thing", "kind": "events", "features": []any{map[string]any{"name": "page", "value_type": "STRING"}}}),
			tagged(map[string]any{"name": "counts", "entity_type": "thing", "features": []any{map[string]any{"name": "clicks_7d", "value_type": "INTEGER"}}}),
		},
		"services": services,
		"rules": []any{
			map[string]any{"name": "known", "group": "kept", "kind": "in_set", "features": []string{"text"}, "params": map[string]any{"values": []string{"known"}}, "action": "quarantine", "owner": texts[31]},
			map[string]any{"name": "listed", "group": "hostile", "kind": "in_set", "features": []string{"f00", "f12", "f36"}, "params": map[string]any{"values": texts}, "owner": texts[12]},
			map[string]any{"name": "unlisted", "group": "hostile", "kind": "not_in_set", "features": []string{"f00", "f12", "f36"}, "params": map[string]any{"values": texts}, "owner": texts[13]},
			map[string]any{"name": "few_rows", "group": "hostile", "kind": "row_count", "params": map[string]any{"max": 0}, "owner": texts[11]},
		},
		"pipelines": []any{about(map[string]any{"name": "daily", "source": map[string]any{"group": "clicks"}, "target": "counts", "tick": "daily", "aggregate": []any{
			map[string]any{"feature": "clicks_7d", "function": "count", "window": "7d", "where": `page != "</code><img src=x onerror=window.harmed=1>"`}}, "schedule": map[string]any{"cron": "0 2 * * *"}})},
		"receivers": []any{map[string]any{"name": "team", "kind": "webhook", "url_file": texts[11], "owners": texts, "description": all}},
	})

	values := map[string]any{}
	for i, text := range texts {
		values[fmt.Sprintf("f%02d", i)] = text
	}
	b.send(200, "POST", "/store/thing/whole", values)
	for i := range texts {
		rows := []any{map[string]any{"thing_id": texts[i], "event_time": "2026-01-01T00:00:00Z", "text": "known", "document": map[string]any{texts[i]: texts[i]}, "list": []string{texts[i]}}}
		if i%10 == 0 { // one load brings ten to quarantine
			for _, text := range texts[i : i+10] {
				rows = append(rows, map[string]any{"thing_id": text, "event_time": "2026-01-02T00:00:00Z", "text": text})
			}
		}
		b.send(200, "POST", "/rows/kept?file="+url.QueryEscape(atMost(texts[i], 255)), rows)
		b.send(201, "POST", "/silences", map[string]any{"matcher": map[string]any{"rule": atMost(texts[i], 200)}, "until": "2099-01-01T00:00:00Z", "author": atMost(texts[i], 200), "reason": texts[i]})
	}
	for _, group := range []string{"hostile", "kept"} {
		b.send(200, "POST", "/validate", map[string]any{"group": group})
		b.send(200, "POST", "/profiles", map[string]any{"group": group})
	}
	for i, alert := range b.call(200, "GET", "/alerts?open=true", "", "")["alerts"].([]any) {
		b.send(200, "POST", fmt.Sprintf("/alerts/%v/acknowledge", alert.(map[string]any)["id"]), map[string]any{"author": atMost(texts[i], 200), "note": all[:2000]})
	}
}

// harm is what a page must not have: a script of a text has run, something leads elsewhere or to a script, or the page is wider than the screen.
const harm = `(function () {
	var found = [];
	if (window.harmed !== undefined) found.push("a script has run");
	if (document.documentElement.scrollWidth > window.innerWidth) found.push("it scrolls sideways: " + document.documentElement.scrollWidth);
	document.querySelectorAll("[href], [src], [action], [data], [hx-get], [hx-post]").forEach(function (e) {
		["href", "src", "action", "data", "hx-get", "hx-post"].forEach(function (name) {
			var to = e.getAttribute(name);
			if (to === null) return;
			var at = new URL(to, location.href);
			var docs = name === "href" && at.origin === "https://example.org" && e.matches("dl.facts a[rel~=noopener]");
			if (at.origin !== location.origin && !docs) found.push(name + " leads to " + to);
		});
	});
	if (document.querySelector("base, iframe, object, embed, main style, main script, main meta, main link, svg animate, [onerror], [onload], [onfocus], [onmouseover], [style*=fixed]")) found.push("an element that is not ours");
	return found;
})()`

// unharmed visits a page of the narrowest width, which must do no harm, and answers what is seen on it, also in its inputs.
func (b *tab) unharmed(path string) string {
	b.Helper()
	b.visit(path)
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](harm))
	require.NoError(b, err)
	require.Empty(b, found, path)
	require.Empty(b, b.errors(), path)
	seen, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector("main").textContent + " " + Array.from(document.querySelectorAll("main input:not([type=hidden])")).map(function (i) { return i.value }).join(" ")`))
	require.NoError(b, err)
	return words(seen)
}

// Whatever people write into fields is shown as text on every page: no script runs, nothing leads elsewhere, the layout stays. With
// FEATURESTORE_TEST_FULL=1 each text has its pages, else a few have.
func TestHostileTexts(t *testing.T) {
	texts := hostileTexts(t)
	b := open(t)
	b.writeHostile(texts)
	b.do(chromedp.EmulateViewport(360, 900))

	group := b.unharmed("/admin/groups/hostile")
	for _, text := range texts {
		require.Contains(t, group, words(text), "the description of a feature")
	}
	values := b.unharmed("/admin/look-up?entity_type=thing&id=whole")
	for _, text := range texts {
		require.Contains(t, values, words(atMost(text, 200)), "a value")
	}
	for _, list := range []string{"/admin/catalogue", "/admin/quarantine", "/admin/silences"} {
		shown := ""
		for next := list; next != ""; {
			shown += b.unharmed(next)
			more, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`(document.querySelector("a[href*=page_token]") || {getAttribute: function () { return "" }}).getAttribute("href")`))
			require.NoError(t, err)
			next = more
		}
		for _, text := range texts {
			require.Contains(t, shown, words(atMost(text, 200)), list)
		}
	}
	run := fmt.Sprint(b.call(200, "GET", "/runs?kind=load", "", "")["runs"].([]any)[0].(map[string]any)["id"])
	for _, path := range []string{"/admin/", "/admin/groups/kept", "/admin/groups/clicks", "/admin/groups/counts", "/admin/entity-types/thing", "/admin/runs", "/admin/runs/" + run, "/admin/pipelines",
		"/admin/pipelines/daily", "/admin/alerts", "/admin/receivers", "/admin/receivers/team", "/admin/rules/known", "/admin/rules/listed", "/admin/baselines", "/admin/proposals?group=hostile", "/admin/reports", "/admin/training-set?service=s12", "/admin/schedules/pipeline:daily", "/admin/quality", "/admin/reports/1", "/admin/reports/2", "/admin/system"} {
		b.unharmed(path)
	}
	waiting := b.call(200, "GET", "/quarantine?limit=100", "", "")["rows"].([]any)
	require.Len(t, waiting, len(texts))
	step := 9
	if os.Getenv("FEATURESTORE_TEST_FULL") == "1" {
		step = 1
	}
	for i := 0; i < len(texts); i += step {
		text := texts[i]
		b.unharmed(fmt.Sprintf("/admin/features/hostile/f%02d", i))
		b.unharmed(fmt.Sprintf("/admin/services/s%02d", i))
		looked := b.unharmed("/admin/look-up?entity_type=thing&id=" + url.QueryEscape(text))
		if !strings.ContainsAny(text, "\r\n") { // an input has one line
			require.Contains(t, looked, words(atMost(text, 200)), "the id of an entity")
		}
		for _, path := range b.links("/admin/look-up/why", "/admin/look-up/erase") {
			b.unharmed(path)
		}
		b.unharmed("/admin/catalogue?search=" + url.QueryEscape(atMost(text, 200)) + "&owner=" + url.QueryEscape(atMost(text, 200)) + "&tag=" + url.QueryEscape(atMost(text, 100)))
		b.unharmed("/admin/groups/" + url.PathEscape(text))
		b.unharmed("/admin/quarantine?rule=" + url.QueryEscape(text))
		b.unharmed(fmt.Sprintf("/admin/quarantine/%s", waiting[i%len(waiting)].(map[string]any)["id"]))
		b.sendForm("/admin/groups/hostile", `form[action$="/materialize"]`, "group", text)
	}
}

// links are the first links of the page to each of some paths.
func (b *tab) links(to ...string) []string {
	b.Helper()
	var found []string
	for _, path := range to {
		link, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector('main a[href^="%s"]').getAttribute("href")`, path)))
		require.NoError(b, err, path)
		found = append(found, link)
	}
	return found
}

// sendForm sends a form of a page with a text in one of its members, and looks at what is put into the page.
func (b *tab) sendForm(page, form, member, text string) {
	b.Helper()
	b.visit(page)
	quoted, err := json.Marshal(text)
	require.NoError(b, err)
	b.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector(%q + " [name=" + %q + "]").value = %s; undefined`, form, member, quoted)))
	b.press(form+" button", "no group")
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](harm))
	require.NoError(b, err)
	require.Empty(b, found, "%s with %q", form, text)
	require.Empty(b, b.errors(), "%s with %q", form, text)
}

// errors are what the console has told so far, but for pages that are not there.
func (b *tab) errors() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = slices.DeleteFunc(b.complaints, func(c string) bool {
		return strings.HasPrefix(c, "Failed to load resource") && strings.Contains(c, "/admin/")
	})
	return slices.Clone(b.complaints)
}

// The texts do harm where they are not escaped, which the tests of the pages would see: their scripts run, or, under the pages' policy, the console
// tells of them.
func TestHostileTextsHarmUnescaped(t *testing.T) {
	texts := hostileTexts(t)
	page := template.Must(template.New("").Parse(`<!DOCTYPE html><html><head><title>x</title></head><body><main><p>{{.}}</p><input value="{{.}}"></main></body></html>`))
	served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i, err := strconv.Atoi(r.URL.Query().Get("text"))
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		switch {
		case err != nil:
			for i := range texts {
				fmt.Fprintf(w, `<iframe src="?text=%d%s"></iframe>`, i, "&"+r.URL.RawQuery)
			}
			return
		case r.URL.Query().Has("guarded"):
			w.Header().Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'self'")
		}
		if r.URL.Query().Has("escaped") {
			page.Execute(w, texts[i]) //nolint:errcheck // the browser has gone
			return
		}
		fmt.Fprintf(w, `<!DOCTYPE html><html><head><title>x</title></head><body><main><p>%s</p><input value="%s"></main></body></html>`, texts[i], texts[i])
	}))
	defer served.Close()
	b := open(t)
	harmed := func(query string) (pages int, complaints int) {
		b.mu.Lock()
		b.complaints = nil
		b.mu.Unlock()
		b.do(chromedp.Navigate(served.URL + query))
		pages, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](`Array.from(window.frames).filter(function (f) { try { return f.harmed !== undefined } catch (e) { return true } }).length + (window.harmed !== undefined ? 1 : 0)`))
		require.NoError(t, err)
		b.mu.Lock()
		defer b.mu.Unlock()
		return pages, len(b.complaints)
	}
	pages, _ := harmed("/?plain")
	require.Greater(t, pages, 15, "scripts that run")
	pages, complaints := harmed("/?guarded")
	require.Zero(t, pages, "the policy stops them")
	require.Greater(t, complaints, 15, "and the console says so")
	pages, complaints = harmed("/?escaped")
	require.Zero(t, pages)
	require.Zero(t, complaints)
}
