package app

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"
)

// submits sends a form as a browser without scripts does, from a page, and answers the page that comes.
func (q *qualityPages) submits(from string, form *goquery.Selection) *goquery.Selection {
	q.Helper()
	action, ok := form.Attr("action")
	require.True(q.T, ok, "there is a form")
	request, err := http.NewRequestWithContext(q.Context(), http.MethodPost, q.browser.base+action, strings.NewReader(q.fields(form).Encode()))
	require.NoError(q.T, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Referer", q.browser.base+from)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(q.T, err)
	defer answer.Body.Close()
	page, err := goquery.NewDocumentFromReader(answer.Body)
	require.NoError(q.T, err)
	return page.Find("main")
}

// Where no script of the page asks, as in a browser without them or before they are there, the server asks before it does what cannot be undone.
func TestWebAsksWithoutScripts(t *testing.T) {
	q := openQuality(t)
	q.call(200, "POST", "/apply", webDefinitions, "Content-Type: application/yaml")
	q.call(202, "POST", "/store/customer/x", `{"orders:city": "Nowhere"}`)
	waiting := func() any {
		return q.call(200, "GET", "/quarantine/counts", "")["groups"].([]any)[0].(map[string]any)["waiting"]
	}
	const from = "/admin/quarantine?group=orders"
	asked := q.submits(from, q.main(from).Find(`article form[action$="/discard"]`))
	require.Contains(t, q.words(asked), "Discard this row? Its values are deleted, for good.")
	require.Equal(t, from, asked.Find("p.back a").AttrOr("href", ""))
	require.Equal(t, 1.0, waiting(), "nothing is done before it is answered")
	done := q.submits("/admin/actions/discard", asked.Find("form"))
	require.Contains(t, q.words(done), "1 row discarded.")
	require.Equal(t, from, done.Find("p.back a").AttrOr("href", ""), "and back is where it began")
	require.Equal(t, 0.0, waiting())

	q.main("/admin/rules/few_rows").Find("form").Each(func(_ int, form *goquery.Selection) {
		if form.Is(`[action$="/delete-rule"]`) {
			require.Contains(t, q.words(q.submits("/admin/rules/few_rows", form)), "Delete this rule?")
		}
	})
	q.call(200, "GET", "/rules/few_rows", "")
	for elsewhere, back := range map[string]string{"https://elsewhere.example/admin/alerts?id=1": "/admin/alerts?id=1", "//elsewhere.example/": "", "javascript:alert(1)": "", "/admin/actions/discard": ""} {
		done := q.submits("/", switching(elsewhere))
		require.Contains(t, q.words(done), "is switched off")
		require.Equal(t, back, done.Find("p.back a").AttrOr("href", ""), elsewhere)
	}
}

// switching is a form that switches a rule off and says where it stands.
func switching(back string) *goquery.Selection {
	page, _ := goquery.NewDocumentFromReader(strings.NewReader(`<form action="/admin/actions/switch-rule"><input name="name" value="few_rows"><input name="to" value="off"><input name="back"></form>`)) // it is well-formed
	return page.Find("[name=back]").SetAttr("value", back).Closest("form")
}

// Who chooses nothing is told so, and a rule that somebody else has deleted meanwhile is not made anew.
func TestWebNothingChosen(t *testing.T) {
	q := openQuality(t)
	q.call(200, "POST", "/apply", webDefinitions, "Content-Type: application/yaml")
	for _, action := range []string{"replay", "discard", "try-replay"} {
		require.Contains(t, q.does(422, action, url.Values{}), "Nothing is chosen. Tick the rows", action)
	}
	require.Contains(t, q.does(422, "apply-proposals", url.Values{"group": {"orders"}}), "Nothing is chosen. Tick the rules")
	q.call(200, "DELETE", "/rules/few_rows", "")
	require.Contains(t, q.does(412, "switch-rule", url.Values{"name": {"few_rows"}, "to": {"off"}}), "it does not exist")
}
