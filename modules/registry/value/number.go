package value

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

// number is a decimal number as it is written: mantissa × 10^−fraction, if plain.
type number struct {
	mantissa uint64
	fraction int  // digits behind the point
	negative bool //
	plain    bool // no exponent, and the mantissa holds all digits
	integer  bool // no point and no exponent
	zeros    bool // begins with a zero too many
	strict   bool // JSON's grammar: no plus sign, digits on both sides of the point
}

// readNumber reads sign, digits, point and exponent; ok is false if text is anything else.
func readNumber(text string) (n number, ok bool) {
	i := 0
	n.strict = true
	if i < len(text) && (text[i] == '-' || text[i] == '+') {
		n.negative = text[i] == '-'
		n.strict = n.negative
		i++
	}
	start := i
	m, i := digits(text, i, 0)
	whole := i - start
	n.zeros = whole > 1 && text[start] == '0'
	all := whole
	if whole > 0 && text[start] == '0' {
		all = 0 // the digits that count
	}
	n.integer = true
	if i < len(text) && text[i] == '.' {
		n.integer = false
		point := i + 1
		m, i = digits(text, point, m)
		n.fraction = i - point
		n.strict = n.strict && whole > 0 && n.fraction > 0
		all += n.fraction
	}
	if whole+n.fraction == 0 {
		return n, false
	}
	n.mantissa = m
	n.plain = all <= 19
	if i == len(text) {
		return n, true
	}
	if text[i]|0x20 != 'e' {
		return n, false
	}
	n.plain, n.integer = false, false
	i++
	if i < len(text) && (text[i] == '-' || text[i] == '+') {
		i++
	}
	start = i
	_, i = digits(text, i, 0)
	return n, i == len(text) && i > start
}

const (
	asciiZeros = 0x3030303030303030
	upperHalf  = 0xf0f0f0f0f0f0f0f0
)

// digits appends the decimal digits from i on to m, without regard to overflow; end is the first position that is no digit.
func digits(text string, i int, m uint64) (_ uint64, end int) {
	for i+8 <= len(text) {
		w := word(text[i:], 0)
		if w&upperHalf != asciiZeros || (w+0x0606060606060606)&upperHalf != asciiZeros {
			break
		}
		m = m*100_000_000 + eight(w)
		i += 8
	}
	for i < len(text) {
		c := text[i] - '0'
		if c > 9 {
			break
		}
		m = m*10 + uint64(c)
		i++
	}
	return m, i
}

// eight is the number that eight digits in ASCII make, the first one lowest: pairs, then fours, then all (after Daniel Lemire,
// "Quickly parsing eight digits").
func eight(w uint64) uint64 {
	w -= asciiZeros
	w = w*10 + w>>8
	return (w&0xff000000ff*0xf424000000064 + w>>16&0xff000000ff*0x271000000001) >> 32
}

// parseInteger reads an INTEGER: digits with an optional minus, or a fraction or exponent that leaves a whole number.
func parseInteger(text string) (int64, error) {
	n, ok := readNumber(text)
	if !ok || !n.strict || n.zeros {
		return 0, notNumber(Integer, text, n, ok)
	}
	if !n.integer {
		return wholeDecimal(text)
	}
	switch {
	case !n.plain:
	case !n.negative && n.mantissa <= math.MaxInt64:
		return int64(n.mantissa), nil
	case n.negative && n.mantissa <= -math.MinInt64:
		return -int64(n.mantissa), nil
	}
	return 0, beyondInteger(text)
}

func beyondInteger(text string) error {
	return fmt.Errorf("%s is beyond 64 bits, the range of INTEGER", shown(text))
}

// wholeDecimal reads a number with a point or an exponent that is a whole one: 1.0, 1e3, 1200e-2.
func wholeDecimal(text string) (int64, error) {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	significant := strings.TrimRight(whole+fraction, "0")
	shift := len(whole) - len(significant)
	sign := ""
	if strings.HasPrefix(significant, "-") {
		sign, significant = "-", significant[1:]
	}
	significant = strings.TrimLeft(significant, "0")
	if significant == "" {
		return 0, nil
	}
	e := 0
	if exponent != "" {
		var err error
		if e, err = strconv.Atoi(exponent); err != nil || e > 1<<30 || e < -1<<30 {
			if strings.HasPrefix(exponent, "-") {
				return 0, expected(Integer, text)
			}
			return 0, beyondInteger(text)
		}
	}
	switch shift += e; {
	case shift < 0:
		return 0, expected(Integer, text)
	case len(significant)+shift > 19:
		return 0, beyondInteger(text)
	}
	i, err := strconv.ParseInt(sign+significant+strings.Repeat("0", shift), 10, 64)
	if err != nil {
		return 0, beyondInteger(text)
	}
	return i, nil
}

// parseFloat reads a FLOAT, correctly rounded. A number without fraction and exponent must be exact.
func parseFloat(text string) (float64, error) {
	if f, ok := quickFloat(text); ok {
		return f, nil
	}
	n, ok := readNumber(text)
	if !ok || n.zeros {
		return 0, notNumber(Float, text, n, ok)
	}
	if n.plain && n.fraction < len(powers) {
		f := n.float()
		if n.integer && n.mantissa > 1<<53 && (f >= 1<<64 || uint64(f) != n.mantissa) {
			return 0, notExact(text)
		}
		if n.negative {
			f = -f
		}
		return f, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is beyond the range of FLOAT", shown(text))
	}
	if n.integer {
		whole, _ := new(big.Int).SetString(text, 10)
		if back, _ := big.NewFloat(f).Int(nil); whole.Cmp(back) != 0 {
			return 0, notExact(text)
		}
	}
	return f, nil
}

// quickFloat reads what most floats look like, -12.5: at most 19 digits, a point between them. Anything else is not ok.
func quickFloat(text string) (f float64, ok bool) {
	i, m := 0, uint64(0)
	if len(text) > 0 && text[0] == '-' {
		i = 1
	}
	if len(text)-i > 20 || i == len(text) || text[i]-'0' > 9 {
		return 0, false
	}
	start := i
	for ; i < len(text) && text[i]-'0' <= 9; i++ {
		m = m*10 + uint64(text[i]-'0')
	}
	if i-start > 1 && text[start] == '0' || i+1 >= len(text) || text[i] != '.' {
		return 0, false
	}
	i++
	fraction := len(text) - i
	for i+8 <= len(text) {
		w := word(text[i:], 0)
		if w&upperHalf != asciiZeros || (w+0x0606060606060606)&upperHalf != asciiZeros {
			return 0, false
		}
		m = m*100_000_000 + eight(w)
		i += 8
	}
	for ; i < len(text); i++ {
		c := text[i] - '0'
		if c > 9 {
			return 0, false
		}
		m = m*10 + uint64(c)
	}
	f = number{mantissa: m, fraction: fraction}.float()
	if start > 0 {
		f = -f
	}
	return f, true
}

// powers of ten that fit 64 bits.
var powers = func() (p [20]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = 10 * p[i-1]
	}
	return p
}()

// float is a plain number as the nearest float, ties to even.
func (n number) float() float64 {
	m, d := n.mantissa, powers[n.fraction]
	if m <= 1<<53 {
		return float64(m) / exactPowers[n.fraction] // both are exact, so one division rounds once (Clinger)
	}
	// The quotient to 63 or 64 bits, its last bit set if anything is left over, rounds the same way as the exact one.
	up, down := bits.LeadingZeros64(m), bits.LeadingZeros64(d)
	m, d = m<<up, d<<down
	q, rest := bits.Div64(m>>1, m<<63, d)
	if rest != 0 {
		q |= 1
	}
	return float64(q) * math.Float64frombits(uint64(1023-63-up+down)<<52)
}

var exactPowers = func() (p [len(powers)]float64) {
	for i := range p {
		p[i] = float64(powers[i]) // exact up to 10^22
	}
	return p
}()

func notExact(text string) error {
	return fmt.Errorf("%s is beyond 2^53 and not exact as FLOAT", shown(text))
}

// notNumber is the error for a text that is no number of type t.
func notNumber(t Type, text string, n number, ok bool) error {
	switch {
	case ok && n.zeros:
		return fmt.Errorf("expected %s, got %s: a number must not begin with a zero", t, shown(text))
	case isNaN(text):
		return fmt.Errorf("%s is refused, numbers are finite: for null leave the cell empty", text)
	}
	return expected(t, text)
}

// isNaN tells whether text is how programs write not-a-number or an infinity.
func isNaN(text string) bool {
	switch strings.ToLower(strings.TrimLeft(text, "+-")) {
	case "nan", "inf", "infinity":
		return true
	}
	return false
}
