package gx

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
)

// parameter is the expression of a {"$PARAMETER": "…"}: numbers, now(), datetime(y, m, d, …), timedelta(weeks=…), names of the suite's
// parameters, + − * / and parentheses.
type parameter struct {
	text  string
	at    int
	depth int
	now   time.Time
	given map[string]string
	used  bool // the clock
}

// resolved is what a parameter has become.
type resolved struct {
	raw          string // JSON
	time, moving bool
}

// quantity is a number, a time or a span.
type quantity struct {
	number float64
	time   time.Time
	span   time.Duration
	kind   byte // n, t or s
}

func (p *parameter) resolve() (resolved, error) {
	if raw, ok := p.given[p.text]; ok {
		return resolved{raw: raw}, nil
	}
	if len(p.text) > 500 {
		return resolved{}, errors.New("it is too long")
	}
	q, err := p.sum()
	if err != nil {
		return resolved{}, err
	}
	if p.space(); p.at < len(p.text) {
		return resolved{}, fmt.Errorf("%q cannot be read", p.text[p.at:])
	}
	switch q.kind {
	case 'n':
		return resolved{raw: string(value.AppendJSON(nil, value.OfFloat(q.number)))}, nil
	case 't':
		if us := q.time.UnixMicro(); value.TimeInRange(us) {
			return resolved{raw: `"` + string(value.AppendTime(nil, us)) + `"`, time: true, moving: p.used}, nil
		}
	}
	return resolved{}, errors.New("it is neither a number nor a time")
}

func (p *parameter) space() {
	for p.at < len(p.text) && p.text[p.at] == ' ' {
		p.at++
	}
}

func (p *parameter) take(c byte) bool {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *parameter) sum() (quantity, error) {
	if p.depth++; p.depth > 50 {
		return quantity{}, errors.New("it is nested too deep")
	}
	defer func() { p.depth-- }()
	left, err := p.product()
	for err == nil {
		sign := 1.0
		if p.take('-') {
			sign = -1
		} else if !p.take('+') {
			return left, nil
		}
		var right quantity
		if right, err = p.product(); err == nil {
			left, err = add(left, right, sign)
		}
	}
	return left, err
}

func add(a, b quantity, sign float64) (quantity, error) {
	switch string([]byte{a.kind, b.kind}) {
	case "nn":
		return quantity{kind: 'n', number: a.number + sign*b.number}, nil
	case "ts":
		return quantity{kind: 't', time: a.time.Add(time.Duration(sign) * b.span)}, nil
	case "st":
		if sign > 0 {
			return quantity{kind: 't', time: b.time.Add(a.span)}, nil
		}
	case "ss":
		return quantity{kind: 's', span: a.span + time.Duration(sign)*b.span}, nil
	}
	return quantity{}, errors.New("a sum of these is none")
}

func (p *parameter) product() (quantity, error) {
	left, err := p.factor()
	for err == nil {
		divide := false
		if p.take('/') {
			divide = true
		} else if !p.take('*') {
			return left, nil
		}
		var right quantity
		if right, err = p.factor(); err != nil {
			break
		}
		if left.kind != 'n' || right.kind != 'n' || divide && right.number == 0 {
			return left, errors.New("only numbers can be multiplied and divided")
		}
		if divide {
			left.number /= right.number
		} else {
			left.number *= right.number
		}
	}
	return left, err
}

func (p *parameter) factor() (quantity, error) {
	p.space()
	switch {
	case p.take('('):
		q, err := p.sum()
		if err == nil && !p.take(')') {
			err = errors.New("a parenthesis is not closed")
		}
		return q, err
	case p.take('-'):
		q, err := p.factor()
		q.number, q.span = -q.number, -q.span
		return q, err
	}
	start := p.at
	for p.at < len(p.text) && (p.text[p.at]-'0' <= 9 || p.text[p.at]|0x20-'a' < 26 || p.text[p.at] == '_' || p.text[p.at] == '.') {
		p.at++
	}
	word := p.text[start:p.at]
	if f, err := strconv.ParseFloat(word, 64); err == nil {
		return quantity{kind: 'n', number: f}, nil
	}
	if raw, ok := p.given[word]; ok && jsonscan.KindOf(raw) == jsonscan.Number {
		f, err := strconv.ParseFloat(raw, 64)
		return quantity{kind: 'n', number: f}, err
	}
	if word == "" || !p.take('(') {
		return quantity{}, fmt.Errorf("%q is not known", word)
	}
	named, plain, err := p.arguments()
	if err != nil {
		return quantity{}, err
	}
	switch strings.TrimPrefix(word, "datetime.") {
	case "now":
		p.used = true
		return quantity{kind: 't', time: p.now}, nil
	case "datetime", "date":
		if len(plain) < 3 || len(plain) > 7 || len(named) > 0 {
			return quantity{}, errors.New("a datetime has 3 to 7 numbers")
		}
		n := make([]int, 7)
		for i, f := range plain {
			n[i] = int(f)
		}
		return quantity{kind: 't', time: time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], n[6]*1000, time.UTC)}, nil
	case "timedelta":
		span := 0.0
		for i, f := range plain {
			named[[]string{"days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks"}[min(i, 6)]] = f
		}
		for name, f := range named {
			unit, ok := spans[name]
			if !ok {
				return quantity{}, fmt.Errorf("a timedelta has no %s", name)
			}
			span += f * float64(unit)
		}
		if span > 9e18 || span < -9e18 {
			return quantity{}, errors.New("the timedelta is too long")
		}
		return quantity{kind: 's', span: time.Duration(span)}, nil
	}
	return quantity{}, fmt.Errorf("there is no function %q here", word)
}

var spans = map[string]time.Duration{"weeks": 7 * 24 * time.Hour, "days": 24 * time.Hour, "hours": time.Hour, "minutes": time.Minute, "seconds": time.Second,
	"milliseconds": time.Millisecond, "microseconds": time.Microsecond}

// arguments reads numbers, with names or without, to the closing parenthesis.
func (p *parameter) arguments() (named map[string]float64, plain []float64, err error) {
	named = map[string]float64{}
	for !p.take(')') {
		name := ""
		p.space()
		rest := p.text[p.at:]
		if i := strings.IndexByte(rest, '='); i > 0 && !strings.ContainsAny(rest[:i], "(),") {
			name = strings.TrimSpace(rest[:i])
			p.at += i + 1
		}
		q, err := p.sum()
		if err != nil {
			return nil, nil, err
		}
		if q.kind != 'n' {
			return nil, nil, errors.New("an argument is no number")
		}
		if name != "" {
			named[name] = q.number
		} else {
			plain = append(plain, q.number)
		}
		if !p.take(',') && (p.at >= len(p.text) || p.text[p.at] != ')') {
			return nil, nil, errors.New("a parenthesis is not closed")
		}
	}
	return named, plain, nil
}
