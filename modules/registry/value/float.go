package value

import (
	"bytes"
	"math"
	"math/bits"
	"strconv"
)

// appendFloat writes a float with the fewest digits that read back as the same, always with a point or an exponent.
func appendFloat(dst []byte, f float64) []byte {
	b := math.Float64bits(f)
	a := math.Float64frombits(b &^ (1 << 63))
	if a < 1e9 {
		// A decimal of at most 15 digits that reads back as f is the shortest; most data has at most six behind the point.
		if scaled := int64(a*1e6 + 0.5); float64(scaled)/1e6 == a {
			if b>>63 != 0 {
				dst = append(dst, '-')
			}
			return appendDecimal(dst, uint64(scaled), 6)
		}
	}
	mantissa, exponent := b&(1<<52-1), int(b>>52&0x7ff)-1075
	if exponent >= -62 && exponent < 0 && mantissa != 0 {
		if b>>63 != 0 {
			dst = append(dst, '-')
		}
		digits, places := shortest(mantissa|1<<52, exponent)
		return appendDecimal(dst, digits, places)
	}
	format := byte('f')
	if a < 1e-6 || a >= 1e21 {
		format = 'e'
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, format, -1, 64)
	if bytes.ContainsAny(dst[start:], ".e") {
		return dst
	}
	return append(dst, '.', '0')
}

// shortest is the shortest decimal, digits ÷ 10^places, that is nearer to m × 2^e than to its neighbours, where 2^52 < m < 2^53 and
// −62 ≤ e < 0; of several as short, the one nearest. Scaled by 10^places, the gap to a neighbour is from 1 to 10, so that one or
// more integers lie within half of it on either side. Products are exact: 54 bits by at most 64.
func shortest(m uint64, e int) (digits uint64, places int) {
	places = -e*78913>>18 + 1 // 78913 ÷ 2^18 is log10(2) to enough digits
	power, shift := powers[places], uint(1-e)
	least, _ := scale(2*m-1, power, shift)
	least++ // a half step is never an integer
	most, _ := scale(2*m+1, power, shift)
	if shorter := most / 10; shorter*10 >= least {
		return shorter, places - 1
	}
	digits, rest := scale(2*m, power, shift)
	if half := uint64(1) << (shift - 1); rest > half || rest == half && digits&1 == 1 {
		digits++
	}
	return digits, places
}

// scale is m × power ÷ 2^shift and what is left over, for a shift below 64.
func scale(m, power uint64, shift uint) (quotient, rest uint64) {
	high, low := bits.Mul64(m, power)
	return high<<(64-shift) | low>>shift, low & (1<<shift - 1)
}

// appendDecimal writes digits ÷ 10^places without zeros at the end, but with at least one digit behind the point.
func appendDecimal(dst []byte, digits uint64, places int) []byte {
	power := powers[places]
	whole := digits / power
	rest := digits - whole*power
	dst = append(strconv.AppendUint(dst, whole, 10), '.')
	if rest == 0 {
		return append(dst, '0')
	}
	var text [len(powers)]byte
	i := places
	for ; i >= 2; i -= 2 {
		q := rest / 100
		two := uint32(rest - 100*q)
		text[i-2], text[i-1] = byte('0'+two/10), byte('0'+two%10)
		rest = q
	}
	if i == 1 {
		text[0] = byte('0' + rest)
	}
	end := places
	for text[end-1] == '0' {
		end--
	}
	return append(dst, text[:end]...)
}
