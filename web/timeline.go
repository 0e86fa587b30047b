package web

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
	"time"
)

const (
	timelineHeight = 72.0 // of the highest bar
	timelineStep   = 26.0 // from one run to the next
	timelineBar    = 20.0
	timelineTop    = 18.0 // for the symbols
)

// timeline draws runs from the oldest to the newest, as bars as high as they took long (by logarithm), each with the symbol of its state and a link. They
// come newest first. Fewer than two are not drawn.
func timeline(runs []runHead) template.HTML {
	if len(runs) < 2 {
		return ""
	}
	longest := 1.0
	for _, r := range runs {
		longest = math.Max(longest, r.milliseconds())
	}
	width := float64(len(runs)) * timelineStep
	var b strings.Builder
	fmt.Fprintf(&b, `<figure class="timeline"><svg viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="figure" aria-label="The last %d runs, the oldest first">`,
		width, timelineTop+timelineHeight+2, width, timelineTop+timelineHeight+2, len(runs))
	for i := range runs {
		r := &runs[len(runs)-1-i]
		height := 3 + (timelineHeight-3)*math.Log1p(r.milliseconds())/math.Log1p(longest)
		x, y := float64(i)*timelineStep+(timelineStep-timelineBar)/2, timelineTop+timelineHeight-height
		fmt.Fprintf(&b, `<a href="/admin/runs/%d" class="%s"><title>%s</title><rect x="%.1f" y="%.1f" width="%.0f" height="%.1f" rx="2"/><text x="%.1f" y="%.1f" text-anchor="middle" aria-hidden="true">%s</text></a>`,
			r.ID, r.Class(), html.EscapeString(r.sentence()), x, y, timelineBar, height, x+timelineBar/2, y-4, symbol(r.State))
	}
	fmt.Fprintf(&b, `</svg><figcaption>%s to %s; the higher a bar, the longer the run took, %s at most.</figcaption></figure>`,
		exact(runs[len(runs)-1].CreatedAt), exact(runs[0].CreatedAt), seconds(longest/1000))
	return template.HTML(b.String()) //nolint:gosec // all text in it is escaped above
}

// milliseconds is how long it worked, 0 until it has ended.
func (r runHead) milliseconds() float64 {
	if r.StartedAt == nil || r.FinishedAt == nil {
		return 0
	}
	return float64(max(0, r.FinishedAt.Sub(*r.StartedAt))) / float64(time.Millisecond)
}

// sentence says what became of it.
func (r runHead) sentence() string {
	said := fmt.Sprintf("Run %d: %s of %s, %s, %s", r.ID, r.Kind, r.Subject, r.State, exact(r.CreatedAt))
	if took := r.Took(); took != "" {
		said += ", took " + took
	}
	if r.Reason != "" {
		said += ". " + shorten(r.Reason)
	}
	return said
}
