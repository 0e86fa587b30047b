package config

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// setting is one key: a leaf of Config.
type setting struct {
	key   string
	value reflect.Value // settable
}

// environment is the name of its environment variable; with _FILE appended, that of a file that holds the value.
func (s setting) environment() string {
	return prefix + "_" + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

const prefix = "FEATURESTORE"

// settings lists all keys of a configuration in the order of its members.
func settings(c *Config) []setting {
	return settingsOf(reflect.ValueOf(c).Elem(), "")
}

func settingsOf(section reflect.Value, path string) []setting {
	var all []setting
	for i := range section.NumField() {
		member, value := section.Type().Field(i), section.Field(i)
		key := path + keyName(member.Name)
		switch {
		case value.Kind() == reflect.Struct:
			all = append(all, settingsOf(value, key+".")...)
		default:
			all = append(all, setting{key, value})
		}
	}
	return all
}

// keyName writes MaxEntities as max_entities, URL as url and MaxBodyBytes as max_body.
func keyName(member string) string {
	member = strings.TrimSuffix(member, "Bytes")
	if member == strings.ToUpper(member) {
		return strings.ToLower(member)
	}
	var key strings.Builder
	for i, r := range member {
		if unicode.IsUpper(r) && i > 0 {
			key.WriteByte('_')
		}
		key.WriteRune(unicode.ToLower(r))
	}
	return key.String()
}

var durationType = reflect.TypeFor[time.Duration]()

// set converts what a source gives (text from the environment and flags, any YAML value from a file) to the setting's type.
// Its error says what is expected.
func (s setting) set(given any) error {
	text, isText := given.(string)
	switch {
	case s.value.Type() == durationType:
		d, ok := parseDuration(text)
		if !isText || !ok {
			return fmt.Errorf("expected a duration with its unit, such as 500ms, 30s, 15m, 24h or 90d")
		}
		s.value.SetInt(int64(d))
	case s.value.Kind() == reflect.String:
		if !isText {
			return fmt.Errorf("expected a text")
		}
		s.value.SetString(text)
	case s.value.Kind() == reflect.Bool:
		b, ok := given.(bool)
		if isText {
			ok = text == "true" || text == "false"
			b = text == "true"
		}
		if !ok {
			return fmt.Errorf("expected true or false")
		}
		s.value.SetBool(b)
	case s.value.Kind() == reflect.Int64: // sizes
		n, ok := parseSize(fmt.Sprint(given))
		if !ok {
			return fmt.Errorf("expected a size, such as 512KiB, 32MiB or a number of bytes")
		}
		s.value.SetInt(n)
	case s.value.Kind() == reflect.Int:
		n, err := strconv.Atoi(fmt.Sprint(given))
		if err != nil {
			return fmt.Errorf("expected a whole number")
		}
		s.value.SetInt(int64(n))
	case s.value.Kind() == reflect.Float64:
		f, err := strconv.ParseFloat(fmt.Sprint(given), 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("expected a number")
		}
		s.value.SetFloat(f)
	case s.value.Type() == reflect.TypeFor[[]string]():
		list, ok := textList(given)
		if !ok {
			return fmt.Errorf("expected a list of texts")
		}
		s.value.Set(reflect.ValueOf(list))
	default:
		panic("no setting can be a " + s.value.Type().String())
	}
	return nil
}

// show writes the value as YAML; a secret is masked.
func (s setting) show() string {
	switch v := s.value.Interface().(type) {
	case time.Duration:
		return formatDuration(v)
	case Secret:
		return quoted(v.String())
	case string:
		return quoted(v)
	case []string:
		words := make([]string, len(v))
		for i, word := range v {
			words[i] = quoted(word)
		}
		return "[" + strings.Join(words, ", ") + "]"
	case int64:
		return formatSize(v)
	default:
		return fmt.Sprint(v)
	}
}

var plainWord = regexp.MustCompile(`^[A-Za-z./_][A-Za-z0-9./_-]*$`)

func quoted(text string) string {
	switch text {
	case "true", "false", "yes", "no", "on", "off", "null":
		return strconv.Quote(text)
	}
	if plainWord.MatchString(text) {
		return text
	}
	return strconv.Quote(text)
}

func textList(given any) ([]string, bool) {
	list := []string{}
	switch given := given.(type) {
	case string: // from the environment or a flag: separated by commas
		for word := range strings.SplitSeq(given, ",") {
			if word = strings.TrimSpace(word); word != "" {
				list = append(list, word)
			}
		}
	case []string:
		list = append(list, given...)
	case []any:
		for _, word := range given {
			text, ok := word.(string)
			if !ok {
				return nil, false
			}
			list = append(list, text)
		}
	default:
		return nil, false
	}
	return list, true
}

var daysForm = regexp.MustCompile(`^([0-9]{1,6})d$`)

func parseDuration(text string) (time.Duration, bool) {
	if days := daysForm.FindStringSubmatch(text); days != nil {
		n, err := strconv.Atoi(days[1])
		return time.Duration(n) * 24 * time.Hour, err == nil && n <= 100_000
	}
	if text == "0" {
		return 0, false // no unit
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}

func formatDuration(d time.Duration) string {
	switch {
	case d == 0:
		return "0s"
	case d%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

var (
	sizeForm  = regexp.MustCompile(`^([0-9]{1,15}) ?(B|KiB|MiB|GiB|TiB|KB|MB|GB|TB)?$`)
	sizeUnits = map[string]int64{
		"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
	}
)

func parseSize(text string) (int64, bool) {
	parts := sizeForm.FindStringSubmatch(text)
	if parts == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(parts[1], 10, 64)
	unit := sizeUnits[parts[2]]
	return n * unit, err == nil && n <= math.MaxInt64/unit
}

func formatSize(n int64) string {
	for _, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if n != 0 && n%sizeUnits[unit] == 0 {
			return fmt.Sprintf("%d%s", n/sizeUnits[unit], unit)
		}
	}
	return strconv.FormatInt(n, 10)
}
