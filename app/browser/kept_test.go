package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// What is written, opened and chosen in a list stays when an action on one of its entries has the list look again.
func TestWhatIsWrittenIsKept(t *testing.T) {
	b := open(t)
	b.fill()
	b.visit("/admin/alerts")
	b.holds(`document.querySelectorAll("#alerts article").length >= 2`)
	b.do(script(`[one, other] = Array.from(document.querySelectorAll("#alerts article")).map(article => "#" + article.id)
		document.querySelectorAll("#alerts details").forEach(details => { details.open = true })
		document.querySelector(other + " form[action$=resolve] [name=note]").value = "half a rea"
		document.querySelector(one + " form[action$=acknowledge] [name=by]").value = "ann"
		document.querySelector(one + " form[action$=acknowledge] button").click()`))
	b.text("#result", "Acknowledged")
	b.text("#alerts", "Acknowledged by ann")
	b.holds(`!document.querySelector(one + " details").open && document.querySelector(one + " [name=by]").value === ""`)
	b.holds(`document.querySelector(other + " details").open && document.querySelector(other + " form[action$=resolve] [name=note]").value === "half a rea"`)

	rows := "customer_id,event_time,amount,city\n"
	for i := range 60 {
		rows += fmt.Sprintf("c,2026-01-01T00:%02d:00Z,%d.5,Paris\n", i, i)
	}
	b.call(200, "POST", "/rows/orders?wait=1m", rows, "text/csv")
	b.call(200, "POST", "/profiles", `{"group": "orders"}`, "application/json")
	b.visit("/admin/proposals?group=orders")
	b.holds(`document.querySelectorAll("[name=only]").length >= 2`)
	b.do(script(`boxes = document.querySelectorAll("[name=only]"); unwanted = boxes[0].value; boxes[0].click(); document.querySelectorAll("button[name=one]")[1].click()`))
	b.text("#result", "1 rule registered")
	b.holds(`document.querySelectorAll("[name=only]").length === boxes.length - 1`)
	b.holds(`Array.from(document.querySelectorAll("[name=only]")).every(box => box.checked === (box.value !== unwanted))`)
}

// script is done by the page.
func script(text string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](text + "\n;undefined")
}

// Who reads what looks again by itself stays where he is: what has the focus keeps it, what is opened stays open, and what is selected is not replaced.
func TestWhatIsReadIsKept(t *testing.T) {
	b := open(t)
	loaded := b.fill()
	b.visit(fmt.Sprintf("/admin/runs/%v", loaded["run_id"]))
	b.do(script(`again = 0
		document.addEventListener("htmx:afterSwap", () => again++)
		state = document.querySelector(".run-state")
		Object.entries({get: location.pathname, trigger: "every 50ms", select: ".run-state > *", swap: "innerHTML"}).forEach(([name, value]) => state.setAttribute("hx-" + name, value))
		state.querySelector("details").open = true
		first = state.querySelector("pre")
		first.focus()
		htmx.process(state)`))
	b.holds(`again > 2`)
	b.holds(`document.activeElement !== first && document.activeElement.tagName === "PRE" && document.querySelector(".run-state details").open`)
	b.do(script(`getSelection().selectAllChildren(document.querySelector(".run-state dl")); selected = getSelection().toString(); answered = 0
		document.addEventListener("htmx:afterRequest", () => answered++)`))
	b.holds(`answered > 3`)
	same, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`selected !== "" && getSelection().toString() === selected`))
	require.NoError(t, err)
	require.True(t, same)
}

// A link of a list that is pressed while the answer to a search is on its way is followed, and without a link the answer is shown after the release.
func TestAnswerWhilePressed(t *testing.T) {
	b := open(t)
	b.fill()
	b.visit("/admin/catalogue")
	b.text("#found h2", "(4)")
	held := func(selector string) {
		b.do(script(`document.querySelector(` + "`" + selector + "`" + `).dispatchEvent(new PointerEvent("pointerdown", {bubbles: true}))
			answered = 0
			document.addEventListener("htmx:afterRequest", () => answered++)`))
		b.do(chromedp.SendKeys(`main [name="search"]`, "amount"))
		b.holds(`answered > 0`)
		b.text("#found h2", "(4)")
	}
	held("#found h2")
	b.do(script(`document.dispatchEvent(new PointerEvent("pointerup", {bubbles: true}))`))
	b.text("#found h2", "(1)")
	b.visit("/admin/catalogue")
	held("#found tbody tr:nth-child(2) a")
	b.do(script(`document.querySelector("#found tbody tr:nth-child(2) a").click()`))
	b.text("h1", "city")
}
