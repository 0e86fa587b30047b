package browser

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// Back and forward show the page of each address, with its fields as they were asked for, however many searches there were; what is typed into one
// field is one step.
func TestBackAndForward(t *testing.T) {
	b := open(t)
	b.fill()
	b.visit("/admin/catalogue")
	is := func(address, search, status string) {
		b.Helper()
		b.holds(fmt.Sprintf(`location.search.includes(%q) && !!document.querySelector("header.top") && document.querySelector("main [name=search]").value === %q &&
			document.querySelector("main [name=status]").value === %q`, address, search, status))
	}
	status := func(value string) {
		b.Helper()
		b.do(chromedp.SetValue(`main [name="status"]`, value))
		is("status="+value, "amount", value)
		b.gone(".htmx-request")
	}
	for _, letter := range strings.Split("amount", "") {
		b.do(chromedp.SendKeys(`main [name="search"]`, letter))
		b.holds(fmt.Sprintf(`new URLSearchParams(location.search).get("search") === document.querySelector("main [name=search]").value && location.search.includes(%q)`, letter))
	}
	b.text("#found h2", "(1)")
	for range 6 { // more than a browser's page keeps of the pages before
		status("active")
		status("draft")
	}
	for range 11 {
		b.do(chromedp.Evaluate[chromedp.Void](`last = location.search; history.back()`))
		b.holds(`typeof last === "undefined" && document.readyState === "complete"`)
	}
	is("status=active", "amount", "active")
	b.do(chromedp.Evaluate[chromedp.Void](`history.back()`))
	is("search=amount", "amount", "")
	status("draft")
	is("search=amount", "amount", "draft")
	b.do(chromedp.Evaluate[chromedp.Void](`history.go(-2)`))
	b.holds(`location.search === "" && document.querySelector("main [name=search]").value === ""`)
	b.do(chromedp.Evaluate[chromedp.Void](`history.forward()`))
	is("search=amount", "amount", "")
}

// counting has the page count what is asked for besides looking.
const counting = `asked = 0; document.addEventListener("htmx:beforeRequest", event => { if (event.detail.requestConfig.verb !== "get") asked++ })`

// A button that is pressed twice, and a key that is held, ask for one run.
func TestPressedTwice(t *testing.T) {
	b := open(t)
	b.fill()
	const button = `form[action$="/materialize"] button`
	runs := func() int {
		return len(b.call(200, "GET", "/runs?kind=materialization&limit=1000", "", "")["runs"].([]any))
	}
	before := runs()
	b.visit("/admin/groups/orders")
	b.do(script(counting))
	at := b.middle(button)
	for press := 1; press <= 2; press++ {
		left := []chromedp.MouseOption{chromedp.ButtonLeft, chromedp.ClickCount(press)}
		b.do(chromedp.MouseEvent(chromedp.MousePressed, at.X, at.Y, left...), chromedp.MouseEvent(chromedp.MouseReleased, at.X, at.Y, left...))
	}
	b.text("#result .run-state", "succeeded")
	b.holds(`asked === 1`)
	require.Equal(t, before+1, runs())

	b.visit("/admin/groups/orders")
	b.do(script(counting), chromedp.Focus(button))
	for press := range 5 {
		held := press > 0
		b.do(key(input.DispatchKeyEventParams{Type: "keyDown", Key: "Enter", Code: "Enter", Text: "\r", WindowsVirtualKeyCode: 13, AutoRepeat: &held}))
		b.text("#result .run-state", "succeeded")
	}
	b.do(key(input.DispatchKeyEventParams{Type: "keyUp", Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13}))
	b.holds(`asked === 1`)
	require.Equal(t, before+2, runs())
}

// key is what a keyboard does.
func key(event input.DispatchKeyEventParams) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, input.DispatchKeyEvent, event)
		return chromedp.Void{}, err
	}
}

// misled leads the calls of the page's scripts to where its variable elsewhere says, and gone is an address where no server is.
const (
	misled = `elsewhere = ""; XMLHttpRequest.prototype.open = (open => function (method, address, ...more) { open.call(this, method, elsewhere || address, ...more) })(XMLHttpRequest.prototype.open)`
	gone   = `elsewhere = "http://127.0.0.1:9/"`
)

// Where no answer comes, or one that refuses, the page says so in the place of what came of the action before.
func TestActionsThatFail(t *testing.T) {
	b := open(t)
	b.fill()
	b.visit("/admin/groups/orders")
	b.press(`form[action$="/validate"] button`, "has been asked for")
	script := func(text string) chromedp.Action[chromedp.Void] {
		return chromedp.Evaluate[chromedp.Void](text + "; undefined")
	}
	b.do(script(misled), script(gone), chromedp.Click(`form[action$="/profile"] button`))
	require.NotContains(t, b.text("#result", "The server does not answer. Whether this was done is not known"), "has been asked for")
	b.do(script(`elsewhere = ""`), script(`document.querySelector('form[action$="/profile"] input').value = "x".repeat(2e6)`), chromedp.Click(`form[action$="/profile"] button`))
	b.text("#result", "The form cannot be read")
	b.do(script(`elsewhere = "/runs/999/cancel"`), chromedp.Click(`form[action$="/validate"] button`))
	b.text("#result", "Unknown run. there is no run 999")

	b.visit("/admin/catalogue")
	b.text("#found h2", "(4)")
	b.do(script(misled), script(gone), chromedp.SendKeys(`main [name="search"]`, "amou"))
	b.text("#found", "The server does not answer. What stands here may have changed meanwhile.")
	b.text("#found h2", "(4)")
	b.do(script(`elsewhere = ""`), chromedp.SendKeys(`main [name="search"]`, "nt"))
	require.NotContains(t, b.text("#found", "Features (1)"), "does not answer")

	b.mu.Lock()
	defer b.mu.Unlock()
	require.NotEmpty(t, b.complaints, "the console tells of calls that fail")
	b.complaints = nil
}
