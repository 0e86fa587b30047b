package web

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// bar is one class of a histogram.
type bar struct {
	Label string
	Count int64
}

const (
	histogramWidth  = 560.0
	histogramHeight = 140.0
)

// histogram draws bars side by side, and those of a baseline, as a share of its own sum, as a line over them. Each bar says its class and count in a
// title. Nothing is drawn of no bars.
func histogram(bars []bar, baseline []int64) template.HTML {
	if len(bars) == 0 {
		return ""
	}
	most, sum, baselineSum := int64(0), int64(0), int64(0)
	for _, b := range bars {
		most, sum = max(most, b.Count), sum+b.Count
	}
	for _, n := range baseline {
		baselineSum += n
	}
	top := float64(most)
	if baselineSum > 0 {
		for _, n := range baseline {
			top = math.Max(top, float64(n)*float64(sum)/float64(baselineSum))
		}
	}
	if top == 0 {
		top = 1
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="histogram" viewBox="0 0 %.0f %.0f" role="img" aria-label="Histogram of %d classes" preserveAspectRatio="none">`, histogramWidth, histogramHeight, len(bars))
	width := histogramWidth / float64(len(bars))
	for i, one := range bars {
		height := float64(one.Count) / top * (histogramHeight - 4)
		fmt.Fprintf(&b, `<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f"><title>%s: %s</title></rect>`, float64(i)*width+0.5, histogramHeight-height, math.Max(width-1, 0.5), height,
			html.EscapeString(one.Label), count(one.Count))
	}
	if baselineSum > 0 && len(baseline) == len(bars) {
		b.WriteString(`<path d="`)
		for i, n := range baseline {
			y := histogramHeight - float64(n)*float64(sum)/float64(baselineSum)/top*(histogramHeight-4)
			fmt.Fprintf(&b, "%c%.2f %.2fL%.2f %.2f", []byte("ML")[min(i, 1)], float64(i)*width, y, float64(i+1)*width, y)
		}
		b.WriteString(`"/>`)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) //nolint:gosec // all text in it is escaped above
}

// node is a definition in a drawing of lineage.
type node struct {
	Kind, Name string
	Column     int // from the left: what it comes of stands left of it
}

// arrow leads from one node to another, by their places.
type arrow struct {
	From, To int
	Why      string
}

// lineage is a drawing with the same as a list.
type lineage struct {
	Nodes  []node
	Arrows []arrow
	Own    int // the node that it is about
}

// step is an arrow with its ends.
type step struct {
	From, To node
	Why      string
}

// Steps are the arrows as a list.
func (l lineage) Steps() []step {
	steps := make([]step, len(l.Arrows))
	for i, a := range l.Arrows {
		steps[i] = step{l.Nodes[a.From], l.Nodes[a.To], a.Why}
	}
	return steps
}

// place chooses the columns, so that each arrow leads to the right and none further than it has to: a node stands just before the first that it
// leads to, and one that leads nowhere just behind the last that leads to it. Arrows that go in a circle end, where they may lead to the left.
func (l lineage) place() {
	for i := range l.Nodes {
		l.Nodes[i].Column = 0
	}
	for moved, rounds := true, 0; moved && rounds < len(l.Nodes); rounds++ {
		moved = false
		for _, a := range l.Arrows {
			if from, to := l.Nodes[a.From].Column, &l.Nodes[a.To].Column; *to <= from {
				*to, moved = from+1, true
			}
		}
	}
	for range l.Nodes {
		first := map[int]int{} // of each node: the column of the first that it leads to
		for _, a := range l.Arrows {
			if column, known := first[a.From]; !known || l.Nodes[a.To].Column < column {
				first[a.From] = l.Nodes[a.To].Column
			}
		}
		moved := false
		for i, column := range first {
			if l.Nodes[i].Column < column-1 {
				l.Nodes[i].Column, moved = column-1, true
			}
		}
		if !moved {
			return
		}
	}
}

// drawnRows is how many nodes of a column are drawn: the list has all of them.
const drawnRows = 15

// folded leaves nodes out of a lineage that is too long to be drawn, and answers how many they are, by column.
func (l lineage) folded() (drawn lineage, left map[int]int) {
	rows, at := map[int]int{}, make([]int, len(l.Nodes))
	left = map[int]int{}
	for i, n := range l.Nodes {
		at[i] = -1
		if rows[n.Column] >= drawnRows && i != l.Own {
			left[n.Column]++
			continue
		}
		rows[n.Column]++
		at[i] = len(drawn.Nodes)
		if i == l.Own {
			drawn.Own = at[i]
		}
		drawn.Nodes = append(drawn.Nodes, n)
	}
	for _, a := range l.Arrows {
		if at[a.From] >= 0 && at[a.To] >= 0 {
			drawn.Arrows = append(drawn.Arrows, arrow{at[a.From], at[a.To], a.Why})
		}
	}
	return drawn, left
}

const (
	boxWidth, boxHeight = 190.0, 40.0
	columnGap, rowGap   = 60.0, 14.0
)

// lineageDrawing draws nodes in columns, with links to their pages, and says below a column how many more there are.
func lineageDrawing(l lineage) template.HTML {
	if len(l.Nodes) == 0 {
		return ""
	}
	l, left := l.folded()
	rows := map[int]int{}
	columns, tallest := 0, 0
	at := make([][2]float64, len(l.Nodes))
	for i, n := range l.Nodes {
		at[i] = [2]float64{float64(n.Column) * (boxWidth + columnGap), float64(rows[n.Column]) * (boxHeight + rowGap)}
		rows[n.Column]++
		columns, tallest = max(columns, n.Column+1), max(tallest, rows[n.Column])
	}
	if len(left) > 0 {
		tallest++ // for what is left out
	}
	width, height := float64(columns)*(boxWidth+columnGap)-columnGap+4, float64(tallest)*(boxHeight+rowGap)-rowGap+4
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="lineage" viewBox="-2 -2 %.0f %.0f" width="%.0f" role="figure" aria-label="Lineage">`, width, height, width)
	for _, a := range l.Arrows {
		from, to := at[a.From], at[a.To]
		x1, y1, x2, y2 := from[0]+boxWidth, from[1]+boxHeight/2, to[0], to[1]+boxHeight/2
		fmt.Fprintf(&b, `<path d="M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f"><title>%s</title></path>`, x1, y1, x1+columnGap/2, y1, x2-columnGap/2, y2, x2, y2, html.EscapeString(a.Why))
	}
	for i, n := range l.Nodes {
		class := ""
		if i == l.Own {
			class = ` class="own"`
		}
		name := n.Name
		if _, feature, ok := strings.Cut(name, ":"); ok {
			name = feature
		}
		if len([]rune(name)) > 26 {
			name = string([]rune(name)[:25]) + "…"
		}
		fmt.Fprintf(&b, `<a href="%s"%s><rect x="%.1f" y="%.1f" width="%.0f" height="%.0f" rx="5"/><text x="%.1f" y="%.1f" class="kind">%s</text><text x="%.1f" y="%.1f">%s</text><title>%s</title></a>`,
			html.EscapeString(linkTo(n.Kind, n.Name)), class, at[i][0], at[i][1], boxWidth, boxHeight, at[i][0]+8, at[i][1]+14, html.EscapeString(strings.ReplaceAll(n.Kind, "_", " ")),
			at[i][0]+8, at[i][1]+31, html.EscapeString(name), html.EscapeString(n.Name))
	}
	for column, n := range left {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" class="kind">and %s more, in the list</text>`, float64(column)*(boxWidth+columnGap)+8, float64(rows[column])*(boxHeight+rowGap)+14, count(n))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) //nolint:gosec // all text in it is escaped above
}

// cell is one field of a heat map.
type cell struct {
	State string
	Title string
	Link  string
}

// stateClass is the style of a state.
func stateClass(state string) string {
	switch symbol(state) {
	case "✓":
		return "good"
	case "✕":
		return "bad"
	case "!":
		return "fair"
	case "▸":
		return "busy"
	}
	return "none"
}
