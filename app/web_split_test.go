package app

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"
)

// act posts a form to the admin page, as a browser without JavaScript does, and answers what the page says.
func (b browser) act(status int, name string, form url.Values) string {
	b.Helper()
	answer, err := http.PostForm(b.base+"/admin/actions/"+name, form)
	require.NoError(b, err)
	defer answer.Body.Close()
	page, err := goquery.NewDocumentFromReader(answer.Body)
	require.NoError(b, err)
	require.Equal(b, status, answer.StatusCode, page.Text())
	return strings.Join(strings.Fields(page.Find("main").Text()), " ")
}

// Where two processes share the roles out, the admin page of the one shows what the other knows, and what it asks for is done by whichever process
// has the role. The listeners serve their own roles all the same.
func TestWebOfSplitRoles(t *testing.T) {
	where := installation(t)
	process := func(roles []string) *App {
		c := settings(t, where...)
		c.Roles, c.Validation.Every, c.Web.StoreAddress = roles, 0, "http://store.example.org:8001"
		return start(t, c)
	}
	page := process(split[0])
	b := browser{t, "http://" + page.Addresses()[0]}
	registry := caller{t, b.base}
	registry.call(200, "POST", "/apply", webDefinitions, "Content-Type: application/yaml")
	require.Regexp(t, `^Materialize✓ Run \d+ has been asked for`, b.act(200, "materialize", url.Values{"group": {"orders"}}))
	asked := registry.call(200, "GET", "/runs?kind=materialization", "")["runs"].([]any)[0].(map[string]any)
	require.Equal(t, "queued", asked["state"], "no process has the role yet")

	other := process(split[1])
	values := caller{t, "http://" + other.Addresses()[0]}
	done := registry.call(200, "GET", fmt.Sprintf("/runs/%v?wait=2m", asked["id"]), "")
	require.Equal(t, "succeeded", done["state"], done)
	loaded := values.call(200, "POST", "/rows/orders?wait=1m", "customer_id,event_time,amount,city\na,2026-01-01T00:00:00Z,10,Berlin\nb,2026-01-01T00:00:00Z,-5,\nd,2026-01-02T00:00:00Z,20,Atlantis\n", "Content-Type: text/csv")
	registry.settled(loaded["validation_run_id"])
	report := registry.call(200, "POST", "/validate", `{"group": "orders"}`)
	erased := values.call(202, "DELETE", "/store/customer/b", "")
	registry.settled(erased["id"])

	pages := b.crawl()
	for _, wanted := range []string{"/admin/", "/admin/features/orders/amount", "/admin/groups/orders", "/admin/look-up", "/admin/pipelines/daily", "/admin/quarantine", "/admin/system",
		fmt.Sprintf("/admin/reports/%v", report["id"]), fmt.Sprintf("/admin/runs/%v", loaded["run_id"])} {
		require.Contains(t, pages, wanted)
	}
	require.Contains(t, b.page(200, "/admin/look-up?entity_type=customer&id=a").Find("main").Text(), "Berlin")
	require.Contains(t, b.page(200, "/admin/quarantine").Find("article").Text(), "Atlantis")
	require.Contains(t, b.page(200, "/admin/system").Find("#erasures").Text(), "customer")
	_, header, file := get(t, b.base+"/admin/groups/orders/rows")
	require.Equal(t, "customer_id,event_time,amount,city\na,2026-01-01T00:00:00Z,10.0,Berlin\n", file)
	require.Equal(t, `attachment; filename="orders.csv"`, header.Get("Content-Disposition"))

	for _, path := range []string{"/admin/features/orders/amount", "/admin/groups/orders", "/admin/services/churn", "/admin/training-set?service=churn", "/admin/look-up?entity_type=customer&id=a"} {
		require.Contains(t, b.page(200, path).Find("figure.call").Text(), "http://store.example.org:8001/", path)
		require.NotContains(t, b.page(200, path).Find("figure.call").Text(), b.base, path)
	}

	// What the page writes itself is seen by the other process.
	require.Contains(t, b.act(200, "replay", url.Values{"group": {"orders"}}), "0 rows stored, 1 still waiting.")
	registry.call(200, "POST", "/apply", strings.Replace(webDefinitions, "[Berlin, Paris]", "[Berlin, Paris, Atlantis]", 1), "Content-Type: application/yaml")
	require.Contains(t, b.act(200, "replay", url.Values{"group": {"orders"}}), "1 row stored, 0 still waiting.")
	require.Equal(t, "Atlantis", values.call(200, "GET", "/get/customer/d/city", "")["value"])
	require.Contains(t, b.act(200, "revert-run", url.Values{"id": {fmt.Sprint(loaded["run_id"])}}), "taken back")
	require.Eventually(t, func() bool { return values.call(200, "GET", "/get/customer/a/amount", "")["status"] == "NOT_FOUND" }, time.Minute, 20*time.Millisecond)

	for _, path := range []string{"/rows/orders", "/get/customer/a", "/pipelines", "/quarantine"} {
		require.Contains(t, registry.call(404, "GET", path, "")["type"], "another-role", "the listener of the page's process")
	}
	for _, path := range []string{"/features", "/rules", "/admin/"} {
		require.Contains(t, values.call(404, "GET", path, "")["type"], "another-role", "the listener of the other")
	}
}

// A process with the page alone has all pages too, also where it only reads.
func TestWebAlone(t *testing.T) {
	where := installation(t)
	require.NoError(t, start(t, settings(t, where...)).Stop())
	for _, readOnly := range []bool{false, true} {
		c := settings(t, where...)
		c.Roles, c.ReadOnly = []string{"web"}, readOnly
		b := browser{t, "http://" + start(t, c).Addresses()[0]}
		require.Contains(t, b.crawl(), "/admin/look-up")
		require.Contains(t, b.page(200, "/admin/system").Find("dl").Text(), "Roles of this processweb")
		status, _, _ := get(t, b.base+"/admin/definitions.yaml")
		require.Equal(t, 200, status)
	}
}

// Whoever may not do anything sees everything, is told so, and is kept from trying.
func TestWebForbidden(t *testing.T) {
	where := installation(t)
	writer := start(t, settings(t, where...))
	api := caller{t, "http://" + writer.Addresses()[0]}
	api.call(200, "POST", "/apply", webDefinitions, "Content-Type: application/yaml")
	loaded := api.call(200, "POST", "/rows/orders?wait=1m", "customer_id,event_time,amount,city\na,2026-01-01T00:00:00Z,-10,Berlin\nd,2026-01-02T00:00:00Z,20,Atlantis\n", "Content-Type: text/csv")
	api.settled(loaded["validation_run_id"])
	api.call(200, "POST", "/validate", `{"group": "orders"}`)
	require.Zero(t, browser{t, api.base}.page(200, "/admin/").Find("main [role=note]").Length())
	require.NoError(t, writer.Stop())

	c := settings(t, append(where, "FEATURESTORE_READ_ONLY=true")...)
	b := browser{t, "http://" + start(t, c).Addresses()[0]}
	const sentence = "This process only reads: nothing can be changed or started here. Do it in another one."
	forms := 0
	for _, path := range b.crawl() {
		page := b.page(200, path)
		require.Equal(t, sentence, page.Find("main > [role=note]").Text(), path)
		page.Find(`form[action^="/admin/actions/"]`).Each(func(_ int, form *goquery.Selection) {
			forms++
			buttons := form.Find("button")
			require.Equal(t, buttons.Length(), buttons.Filter("[disabled]").Length(), "%s: %s can be sent", path, form.AttrOr("action", ""))
		})
	}
	require.Greater(t, forms, 10)
	require.Contains(t, b.act(403, "materialize", url.Values{"group": {"orders"}}), "Not allowed. "+sentence)
	require.Contains(t, b.act(403, "discard", url.Values{"group": {"orders"}}), sentence)

	// htmx puts an answer of 200 alone into the page.
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.base+"/admin/actions/materialize", strings.NewReader("group=orders"))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("HX-Request", "true")
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	fragment, err := goquery.NewDocumentFromReader(answer.Body)
	require.NoError(t, err)
	require.Equal(t, 200, answer.StatusCode)
	require.Contains(t, fragment.Find(".box.bad[role=alert]").Text(), sentence)
}

// An answer of the API that a connection would gather before it is sent is read by a page as any other.
func TestWebReadsLargeAnswers(t *testing.T) {
	b := browser{t, "http://" + start(t, settings(t)).Addresses()[0]}
	values := map[string]any{}
	for i := range 100 {
		values[fmt.Sprintf("feature_with_a_long_name_%d", i)] = i
	}
	caller{t, b.base}.call(200, "POST", "/store/thing/a", string(jsonOf(t, values)))
	_, _, answer := get(t, b.base+"/get/thing/a")
	require.Greater(t, len(answer), 4<<10)
	require.Contains(t, b.page(200, "/admin/look-up?entity_type=thing&id=a").Find("main").Text(), "feature_with_a_long_name_99")
}
