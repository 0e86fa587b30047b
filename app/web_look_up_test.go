package app

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"featurestore/config"
)

const lookUpDefinitions = `
entity_types:
  - {name: customer, join_keys: [{name: customer_id, value_type: STRING}]}
  - {name: shop, join_keys: [{name: shop_id, value_type: INTEGER}, {name: region, value_type: STRING}]}
groups:
  - {name: orders, entity_type: customer, ttl: 30d, features: [
      {name: amount, value_type: FLOAT, unit: USD}, {name: city, value_type: STRING}, {name: member, value_type: BOOLEAN}, {name: seen, value_type: TIMESTAMP}]}
  - {name: turnover, entity_type: shop, features: [{name: revenue, value_type: INTEGER}]}
  - {name: visits, entity_type: customer, kind: events, features: [{name: page, value_type: STRING}]}
services:
  - {name: churn, description: Who leaves, features: ["orders:city", "orders:amount"]}
  - {name: both, features: ["turnover:revenue", "orders:amount"]}
`

// shown is what a person reads of a part of a page, with a space between what stands apart.
func shown(s *goquery.Selection) string {
	s = s.Clone()
	s.Find("td, th, li, p, h1, h2, br, dt, dd, option, summary, figcaption, label, legend, caption").AfterHtml(" ")
	return strings.Join(strings.Fields(s.Text()), " ")
}

// rowOf is the row of a table whose first cell begins so.
func rowOf(page *goquery.Document, begins string) *goquery.Selection {
	return page.Find("main tbody tr").FilterFunction(func(_ int, s *goquery.Selection) bool {
		return strings.HasPrefix(shown(s.Find("td").First()), begins)
	}).First()
}

// An entity's values, now and then, how they went, and why they are so; entities of several join keys; what is not there.
func TestWebLookUp(t *testing.T) {
	on(t, func(t *testing.T, c *config.Config) {
		c.Validation.Every = 0
		a := start(t, c)
		b := browser{t, "http://" + a.Addresses()[0]}
		api := caller{t, b.base}
		require.Contains(t, shown(b.page(200, "/admin/look-up").Find("main")), "There are no entity types yet")

		api.call(200, "POST", "/apply", lookUpDefinitions, "Content-Type: application/yaml")
		empty := b.page(200, "/admin/look-up").Find("main")
		require.Contains(t, shown(empty), "Nothing was ever observed of this entity type")
		require.Equal(t, 1, empty.Find("input[name=id]").Length())
		now := time.Now().UTC().Truncate(time.Second)
		days := func(n int) string { return now.AddDate(0, 0, -n).Format(time.RFC3339) }
		api.call(200, "POST", "/rows/orders?wait=1m", "customer_id,event_time,amount,city,member\n"+
			"a b,"+days(3)+",10,Berlin,true\na b,"+days(2)+",,Paris,false\na b,"+days(1)+",30.5,Rome,true\nold,"+days(60)+",1,Oslo,true\n", "Content-Type: text/csv")
		api.call(200, "POST", "/store/shop/shop_id=7,region=a%2Cb", `{"revenue": 5}`)

		some := b.page(200, "/admin/look-up").Find("#some a")
		require.Equal(t, 2, some.Length())
		at := "/admin/look-up?entity_type=customer&id=a+b"
		page := b.page(200, at)
		require.Regexp(t, `^amount orders 30\.5 USD ✓ PRESENT .* UTC 1 day Why\?$`, shown(rowOf(page, "amount")))
		require.Regexp(t, `^seen orders – – NOT_FOUND – – Why\?$`, shown(rowOf(page, "seen")))
		plots := page.Find("figure.plot[data-series]")
		require.Equal(t, []string{"amount in USD", "member"}, plots.Map(func(_ int, s *goquery.Selection) string { return shown(s.Find("figcaption")) }))
		require.Contains(t, plots.First().AttrOr("data-series", ""), `"values":[10,null,30.5]`)
		require.Contains(t, plots.Last().AttrOr("data-series", ""), `"values":[1,0,1]`)
		require.Equal(t, 3, plots.First().Find("tbody tr").Length(), "the same as a table")
		require.Regexp(t, `^Rome .* Paris .* Berlin`, shown(page.Find("ol.past")))
		require.Equal(t, 3, page.Find("h2:contains(Observations)").Parent().Find("tbody tr").Length())

		then := b.page(200, at+"&at="+url.QueryEscape(days(2))).Find("main")
		require.Contains(t, shown(then), "Paris ✓ PRESENT")
		require.Contains(t, shown(then), "– NULL_VALUE")
		local := strings.TrimSuffix(days(2), "Z")
		require.Equal(t, local, b.page(200, at+"&at="+local).Find("input[name=at]").AttrOr("value", ""), "what the browser's own field sends is taken as UTC")
		require.Contains(t, shown(b.page(400, at+"&at=yesterday").Find("main .box.bad")), "at")
		require.Contains(t, shown(b.page(200, "/admin/look-up?entity_type=customer&id=old&at="+url.QueryEscape(days(0))).Find("main")), "! OUTSIDE_MAX_AGE", "online its space may have been reclaimed")
		require.Contains(t, shown(b.page(200, "/admin/look-up?entity_type=customer&id=nobody").Find("main")), "Nothing was ever observed of it")
		require.Contains(t, shown(b.page(404, "/admin/look-up?entity_type=custmer&id=a").Find("main")), `did you mean "customer"?`)

		why := b.page(200, rowOf(page, "amount").Find("a[hx-get]").AttrOr("href", "")).Find("main")
		require.Contains(t, shown(why), "orders:amount")
		require.Contains(t, shown(why), "✓ PRESENT 30.5")
		require.Contains(t, shown(why), "/explain/customer/a%20b/amount")
		require.Contains(t, shown(b.page(400, "/admin/look-up/why?entity_type=shop&key.shop_id=7&feature=revenue").Find("main")), "region is missing")
		require.Contains(t, shown(b.page(404, "/admin/look-up/why?entity_type=customer&id=a&feature=amuont").Find("main")), `amuont`)

		shop := b.page(200, "/admin/look-up?entity_type=shop").Find("main")
		require.Equal(t, 2, shop.Find("#keys input[required]").Length(), "a field for each join key")
		one, _ := shop.Find("#some a").Attr("href")
		found := b.page(200, one)
		require.Contains(t, shown(found.Find("h2").First()), "shop shop_id=7, region=a,b")
		require.Contains(t, shown(rowOf(found, "revenue")), "5 ✓ PRESENT")
		require.Equal(t, "a,b", found.Find(`input[name="key.region"]`).AttrOr("value", ""))
		require.Contains(t, shown(b.page(200, "/admin/look-up?entity_type=shop&id="+url.QueryEscape("shop_id=7,region=a%2Cb")).Find("main")), "5 ✓ PRESENT", "as a path names it")
		wrong := b.page(400, "/admin/look-up?entity_type=shop&key.shop_id=007&key.region=a").Find("main")
		require.Contains(t, shown(wrong.Find(".box.bad")), "shop_id")
		require.Equal(t, "007", wrong.Find(`input[name="key.shop_id"]`).AttrOr("value", ""), "what was typed stays")
		b.crawl()
	})
}

// An entity is erased by who has seen what goes and has typed its id.
func TestWebErase(t *testing.T) {
	a := start(t, settings(t))
	b := browser{t, "http://" + a.Addresses()[0]}
	api := caller{t, b.base}
	api.call(200, "POST", "/apply", lookUpDefinitions, "Content-Type: application/yaml")
	api.call(200, "POST", "/store/customer/a%2Fb%20c", `{"amount": 1, "city": "Berlin"}`)
	api.call(200, "POST", "/store/customer/a%2Fb%20c", `{"visits:page": "x"}`)
	api.call(200, "POST", "/store/shop/shop_id=7,region=a%2Cb", `{"revenue": 5}`)

	erase := func(status int, link, confirm string) string {
		page := b.page(200, link)
		form := url.Values{"confirm": {confirm}}
		page.Find("form[method=post] input[type=hidden]").Each(func(_ int, s *goquery.Selection) { form.Set(s.AttrOr("name", ""), s.AttrOr("value", "")) })
		answer, err := http.PostForm(b.base+"/admin/actions/erase", form)
		require.NoError(t, err)
		defer answer.Body.Close()
		require.Equal(t, status, answer.StatusCode)
		result, err := goquery.NewDocumentFromReader(answer.Body)
		require.NoError(t, err)
		return shown(result.Find("main"))
	}
	link, _ := b.page(200, "/admin/look-up?entity_type=customer&id=a/b+c").Find(`a[href*="/erase"]`).Attr("href")
	page := b.page(200, link).Find("main")
	require.Contains(t, shown(page), "2 rows would be deleted")
	require.Contains(t, shown(page), "orders 1 visits 1")
	require.Contains(t, erase(422, link, "a/b"), "Nothing was erased: type a/b c to confirm")
	require.Equal(t, "PRESENT", api.call(200, "GET", "/get/customer/a%2Fb%20c/amount", "")["status"])
	require.Regexp(t, `ledger of erasures, and run \d+ deletes it`, erase(200, link, " a/b  c "))
	shop := "/admin/look-up/erase?entity_type=shop&key.shop_id=7&key.region=a,b"
	require.Contains(t, erase(422, shop, "7"), "type shop_id=7, region=a,b to confirm")
	require.Contains(t, erase(200, shop, "shop_id=7, region=a,b"), "ledger")
	for _, at := range []string{"/get/customer/a%2Fb%20c/amount", "/get/shop/shop_id=7,region=a%2Cb/revenue"} {
		require.Eventually(t, func() bool { return api.call(200, "GET", at, "")["status"] == "NOT_FOUND" }, time.Minute, 20*time.Millisecond, at)
	}
	require.Contains(t, shown(b.page(200, shop).Find("main")), "Nothing is stored of it now")
	answer, err := http.PostForm(b.base+"/admin/actions/erase", url.Values{"entity_type": {"customer"}, "entity": {"../../runs"}, "confirm": {"../../runs"}})
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Contains(t, string(text), "ledger", "whatever a form says is one entity's id: %s", text)
}

// sendForm sends the form of a training set as a browser does, with a file if its name is not "".
func (b browser) sendForm(status int, action string, fields map[string]string, file, content string) *http.Response {
	b.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		require.NoError(b, form.WriteField(name, value))
	}
	part, err := form.CreateFormFile("file", file)
	require.NoError(b, err)
	_, err = io.WriteString(part, content)
	require.NoError(b, err)
	require.NoError(b, form.Close())
	answer, err := http.Post(b.base+action, form.FormDataContentType(), &body)
	require.NoError(b, err)
	b.Cleanup(func() { answer.Body.Close() })
	require.Equal(b, status, answer.StatusCode, action)
	return answer
}

// A training set is chosen, its spine taken as text or file, looked at and downloaded; it is what the API answers.
func TestWebTrainingSet(t *testing.T) {
	on(t, func(t *testing.T, c *config.Config) {
		c.Validation.Every = 0
		a := start(t, c)
		b := browser{t, "http://" + a.Addresses()[0]}
		api := caller{t, b.base}
		require.Contains(t, shown(b.page(200, "/admin/training-set").Find("main")), "There are no features yet")
		api.call(200, "POST", "/apply", lookUpDefinitions, "Content-Type: application/yaml")
		none := b.page(200, "/admin/training-set").Find("main")
		require.Equal(t, 5, none.Find("input[name=features]").Length(), "those of event groups are not among them")
		require.Zero(t, none.Find("textarea").Length())
		require.Equal(t, "customer_id,event_time\n", b.page(200, "/admin/training-set?service=churn").Find("textarea").Text(), "nothing is stored")
		require.Equal(t, 1, b.page(200, "/admin/training-set?find=revenue").Find("input[name=features]").Length())
		require.Contains(t, shown(b.page(404, "/admin/training-set?service=chrun").Find("main")), "chrun")
		require.Contains(t, shown(b.page(404, "/admin/training-set?features=orders:amuont").Find("main")), "amuont")

		now := time.Now().UTC().Truncate(time.Second)
		yesterday := now.AddDate(0, 0, -1).Format(time.RFC3339)
		rows := "customer_id,event_time,amount,city\n"
		for i := range 40 {
			rows += fmt.Sprintf("c%d,%s,%d,\"a, \"\"b\"\"\nc\"\n", i, yesterday, i)
		}
		api.call(200, "POST", "/rows/orders?wait=1m", rows, "Content-Type: text/csv")
		api.call(200, "POST", "/store/shop/shop_id=7,region=eu", `{"revenue": 5}`)
		page := b.page(200, "/admin/training-set?features=orders:amount&features=turnover:revenue,orders:city").Find("main")
		require.Contains(t, shown(page), "3 features: amount, revenue, city.")
		require.Contains(t, shown(page), "It needs the columns customer_id, shop_id, region, event_time")
		require.Regexp(t, `^customer_id,shop_id,region,event_time\nc\d+,7,eu,`, page.Find("textarea").Text())
		require.Contains(t, shown(page), "/training-sets?features=orders%3Aamount%2Cturnover%3Arevenue%2Corders%3Acity&format=parquet")
		require.Equal(t, []string{"orders:amount", "turnover:revenue", "orders:city"}, page.Find("input[name=features][checked]").Map(func(_ int, s *goquery.Selection) string { return s.AttrOr("value", "") }))

		preview := func(status int, action string, fields map[string]string, file, content string) *goquery.Selection {
			answer := b.sendForm(status, action, fields, file, content)
			found, err := goquery.NewDocumentFromReader(answer.Body)
			require.NoError(t, err)
			return found.Find("main")
		}
		spine := "label,customer_id,event_time\r\n1,c3," + yesterday + "\r\n0,nobody," + yesterday + "\r\n"
		p := preview(200, "/admin/training-set?service=churn", map[string]string{"spine": spine}, "", "")
		require.Equal(t, []string{"label", "customer_id", "event_time", "city", "amount"}, p.Find("th").Map(func(_ int, s *goquery.Selection) string { return s.Text() }))
		require.Equal(t, "1 c3 "+yesterday+` a, "b" c ✓PRESENT 3.0 ✓PRESENT`, shown(p.Find("tbody tr").First()))
		require.Equal(t, "0 nobody "+yesterday+" – NOT_FOUND – NOT_FOUND", shown(p.Find("tbody tr").Last()))
		require.Contains(t, shown(p), "All 2 rows")
		require.Contains(t, shown(p), "known_at=")

		var thousands strings.Builder
		thousands.WriteString("customer_id,event_time\n")
		for i := range 30_000 {
			fmt.Fprintf(&thousands, "c%d,%s\n", i%40, yesterday)
		}
		long := thousands.String()
		p = preview(200, "/admin/training-set?service=churn", map[string]string{"spine": "left,out\n"}, "spine.csv", long)
		require.Contains(t, shown(p), "The first 20 rows")
		require.Equal(t, 20, p.Find("tbody tr").Length())
		p = preview(422, "/admin/training-set?features=orders:amount", nil, "spine.ndjson", `{"customer_id":"nobody","event_time":"`+strings.TrimSuffix(yesterday, "Z")+`"}`+"\n")
		require.Contains(t, shown(p.Find(".box.bad")), "has no offset from UTC", "a file of another format, and times without an offset")
		p = preview(200, "/admin/training-set?features=orders:amount", map[string]string{"time_zone": "UTC"}, "spine.ndjson", `{"customer_id":"nobody","event_time":"`+strings.TrimSuffix(yesterday, "Z")+`"}`+"\n")
		require.Contains(t, shown(p.Find(".box.fair")), `1 of the first 1, for example "nobody"`)
		require.Contains(t, shown(preview(200, "/admin/training-set?service=churn", map[string]string{"spine": "customer_id,event_time\n"}, "", "")), "The spine has no rows")
		require.Contains(t, shown(preview(422, "/admin/training-set?service=churn", map[string]string{"spine": "customer_id\nc1\n"}, "", "")), "there is no time column")
		require.Contains(t, shown(preview(400, "/admin/training-set?service=churn", map[string]string{"spine": ""}, "", "")), "empty")
		require.Contains(t, shown(preview(413, "/admin/training-set?service=churn", map[string]string{"spine": strings.Repeat("x", 1<<20+1)}, "", "")), "choose a file")
		plain, err := http.PostForm(b.base+"/admin/training-set?service=churn", url.Values{"spine": {spine}})
		require.NoError(t, err)
		defer plain.Body.Close()
		require.Equal(t, 400, plain.StatusCode)

		wanted, err := http.Post(b.base+"/training-sets?service=churn&format=csv&statuses=true", "text/csv", strings.NewReader(long))
		require.NoError(t, err)
		defer wanted.Body.Close()
		require.Equal(t, 200, wanted.StatusCode)
		body, err := io.ReadAll(wanted.Body)
		require.NoError(t, err)
		answer := b.sendForm(200, "/admin/training-set/rows?service=churn&format=csv", map[string]string{"statuses": "true"}, "spine.csv", long)
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.True(t, bytes.Equal(body, text), "the download is what the API answers")
		require.Equal(t, `attachment; filename="training_set.csv"`, answer.Header.Get("Content-Disposition"))
		require.NotEmpty(t, answer.Header.Get("Known-At"))
		parquet, err := io.ReadAll(b.sendForm(200, "/admin/training-set/rows?service=churn&format=parquet", nil, "spine.csv", long).Body)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(parquet, []byte("PAR1")) && bytes.HasSuffix(parquet, []byte("PAR1")))
		b.sendForm(422, "/admin/training-set/rows?service=churn&format=csv", nil, "spine.csv", "customer_id\nc1\n")
		b.sendForm(400, "/admin/training-set/rows?service=churn&format=xlsx", nil, "spine.csv", long)
		status, header, template := get(t, b.base+"/admin/training-set/template?service=both")
		require.Equal(t, 200, status)
		require.Equal(t, "shop_id,region,customer_id,event_time\n", template)
		require.Equal(t, `attachment; filename="spine.csv"`, header.Get("Content-Disposition"))
		b.crawl()
	})
}

// A service shows its features in their order, with the values of an entity that is stored or named.
func TestWebService(t *testing.T) {
	a := start(t, settings(t))
	b := browser{t, "http://" + a.Addresses()[0]}
	api := caller{t, b.base}
	api.call(200, "POST", "/apply", lookUpDefinitions, "Content-Type: application/yaml")
	page := b.page(200, "/admin/services/churn").Find("main")
	require.Contains(t, shown(page), "Nothing was observed yet")
	require.Contains(t, shown(page), "/get/customer/ID?service=churn")
	api.call(200, "POST", "/store/customer/it's", `{"amount": 2, "city": "Berlin"}`)
	api.call(200, "POST", "/store/shop/shop_id=7,region=eu", `{"revenue": 5}`)
	document := b.page(200, "/admin/services/churn")
	require.Equal(t, []string{"1 orders:city", "2 orders:amount"}, document.Find("main tbody tr").Map(func(_ int, s *goquery.Selection) string {
		return shown(s.Find("td").First()) + " " + shown(s.Find("td").Eq(1))
	}))
	require.Contains(t, shown(document.Find("main tbody tr").Last()), "FLOAT, USD 2 ✓ PRESENT")
	require.Equal(t, "it's", document.Find(`input[name="key.customer_id"]`).AttrOr("value", ""), "a stored entity, at random")
	require.Contains(t, shown(document.Find("main")), `'http://`+strings.TrimPrefix(b.base, "http://")+`/get/customer/it%27s?service=churn'`)
	require.Equal(t, 5, document.Find("svg.lineage rect").Length(), "entity type, group, two features, service")
	require.Contains(t, shown(document.Find("main")), "No other definition refers to it")
	require.Contains(t, shown(b.page(200, "/admin/services/churn?key.customer_id=nobody").Find("main tbody")), "NOT_FOUND")
	both := b.page(200, "/admin/services/both?key.customer_id=it%27s&key.shop_id=7&key.region=eu").Find("main")
	require.Regexp(t, `^1 turnover:revenue INTEGER 5 ✓ PRESENT .* 2 orders:amount FLOAT, USD 2 ✓ PRESENT`, shown(both.Find("tbody").First()))
	require.Contains(t, shown(both), `"shop_id":[7]`)
	require.Contains(t, shown(both), `it'\''s`)
	require.Contains(t, shown(b.page(400, "/admin/services/both?key.shop_id=x&key.region=eu").Find("main .box.bad")), "shop_id")
	require.Contains(t, shown(b.page(404, "/admin/services/chrun").Find("main")), "chrun")
	b.crawl()
}
