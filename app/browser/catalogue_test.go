package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// From a search, which answers while it is typed, to a feature and to a call of it that works as it stands.
func TestSearchToCall(t *testing.T) {
	b := open(t)
	b.fill()
	b.visit("/admin/catalogue")
	b.text("#found tbody", "clicks_7d")
	b.do(chromedp.SendKeys("main input[name=search]", "paid"))
	b.holds(`location.search.indexOf("search=paid") >= 0`) // the address says what was searched for
	b.rest()
	b.text("#found h2", "(1)")
	focused, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.activeElement.name`))
	require.NoError(t, err)
	require.Equal(t, "search", focused, "and typing goes on")
	b.pressLong("#found tbody a") // which takes the focus from the search, and that is no other search
	b.text("h1", "amount")
	call := b.text("#use figure.call code", "curl '")
	path := strings.TrimSuffix(strings.TrimPrefix(call, "curl '"+b.base), "'")
	require.Equal(t, "PRESENT", b.call(200, "GET", path, "", "")["status"], "%s", call)
	b.text("#distribution", "Profile")
	b.visit("/admin/catalogue?health=broken&sort=name")
	b.text("#found tbody", "amount")
	selected, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector("select[name=health]").value + document.querySelector("select[name=sort]").value`))
	require.NoError(t, err)
	require.Equal(t, "brokenname", selected)
}
