package jsonscan_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
	"featurestore/modules/registry/value/valuetest"
)

func scan(text string) (string, error) {
	s := jsonscan.New(text)
	raw, err := s.Value()
	if err == nil {
		err = s.End()
	}
	return raw, err
}

func TestRefuses(t *testing.T) {
	deep := strings.Repeat("[", 65) + strings.Repeat("]", 65)
	for _, c := range []struct{ text, want string }{
		{``, "the text ends in the middle of a value (at byte 0)"},
		{`  `, "the text ends in the middle of a value (at byte 2)"},
		{`{"a":1`, "the text ends in the middle of a value (at byte 6)"},
		{`[1,`, "[1]: the text ends in the middle of a value (at byte 3)"},
		{`"abc`, "the text ends in the middle of a value (at byte 4)"},
		{`tru`, "the text ends in the middle of a value (at byte 3)"},
		{`1.`, "the text ends in the middle of a value (at byte 2)"},
		{`{"a":1} 2`, "something follows after the end of the value: 2 (at byte 8)"},
		{`{"a":1}}`, "something follows after the end of the value: } (at byte 7)"},
		{`{"a":1,"b":{"c":[1,2,x]}}`, "b.c[2]: expected a value, got x (at byte 21)"},
		{`{"a":1,"a":2}`, `the member "a" stands twice in the same object (at byte 7)`},
		{`{"x":[{"a":1,"\u0061":2}]}`, `x[0]: the member "a" stands twice in the same object (at byte 13)`},
		{`[1,]`, "a comma before ] (at byte 3)"},
		{`{"a":1,}`, "a comma before } (at byte 7)"},
		{`[1 2]`, "expected a comma or ], got 2 (at byte 3)"},
		{`{"a" 1}`, `expected a colon after the member's name "a", got 1 (at byte 5)`},
		{`{a:1}`, "expected a member's name in double quotes, got a (at byte 1)"},
		{`{'a':1}`, "expected a member's name in double quotes, got ' (at byte 1)"},
		{`'a'`, "strings take double quotes: ' (at byte 0)"},
		{`NaN`, "NaN is no JSON number: send null, or leave the member out (at byte 0)"},
		{`[-Infinity]`, "[0]: -Infinity is no JSON number: send null, or leave the member out (at byte 1)"},
		{`{"a":Infinity}`, "a: Infinity is no JSON number: send null, or leave the member out (at byte 5)"},
		{`{"a":None}`, "a: None is Python: JSON writes null, true and false (at byte 5)"},
		{`True`, "True is Python: JSON writes null, true and false (at byte 0)"},
		{`nul`, "the text ends in the middle of a value (at byte 3)"},
		{`nulls`, "expected a value, got nulls (at byte 0)"},
		{`+1`, "expected a value, got +1 (at byte 0)"},
		{`.5`, "expected a value, got .5 (at byte 0)"},
		{`[5.]`, "[0]: expected a value, got 5. (at byte 1)"},
		{`[1e]`, "[0]: expected a value, got 1e (at byte 1)"},
		{`[1ex]`, "[0]: expected a value, got 1ex (at byte 1)"},
		{`[-]`, "[0]: expected a value, got - (at byte 1)"},
		{`007`, "a number must not begin with a zero: 007 (at byte 0)"},
		{`0x10`, "expected a value, got 0x10 (at byte 0)"},
		{`1_000`, "expected a value, got 1_000 (at byte 0)"},
		{"\"a\nb\"", "a string holds the control character U+000A, which must be escaped (at byte 2)"},
		{"\"a\x00b\"", "a string holds the control character U+0000, which must be escaped (at byte 2)"},
		{`"a\u0000"`, `a string holds NUL (\u0000), which is refused (at byte 2)`},
		{`"\x41"`, `a string holds \x, which is no escape of JSON (at byte 1)`},
		{`"\é"`, `a string holds \é, which is no escape of JSON (at byte 1)`},
		{`"\u12g4"`, `\u takes four hexadecimal digits (at byte 1)`},
		{`"\ud83d"`, `a string holds half of a character: the lone surrogate \ud83d (at byte 1)`},
		{`"\ud83dabcdefgh"`, `a string holds half of a character: the lone surrogate \ud83d (at byte 1)`},
		{`"\ude00\ud83d"`, `a string holds half of a character: the lone surrogate \ude00 (at byte 1)`},
		{`"\ud83d\u0041x"`, `a string holds half of a character: the lone surrogate \ud83d (at byte 1)`},
		{"\"a\xff\"", "a string holds invalid UTF-8: the byte 0xff (at byte 2)"},
		{"\"\xed\xa0\x80\"", "a string holds invalid UTF-8: the byte 0xed (at byte 1)"},
		{"\"\xc0\x80\"", "a string holds invalid UTF-8: the byte 0xc0 (at byte 1)"},
		{"{\"\xff\":1}", "a string holds invalid UTF-8: the byte 0xff (at byte 2)"},
		{"\xff", "expected a value, got the byte 0xff (at byte 0)"},
		{"\x01", "expected a value, got U+0001 (at byte 0)"},
		{"\ufeff1", "expected a value, got \ufeff1 (at byte 0)"},
		{deep, strings.Repeat("[0]", 64) + ": nested deeper than 64 (at byte 64)"},
	} {
		_, err := scan(c.text)
		require.EqualError(t, err, c.want, "%q", c.text)
	}
	_, err := scan(strings.Repeat("[", 64) + strings.Repeat("]", 64))
	require.NoError(t, err)
}

func TestObjects(t *testing.T) {
	body := ` { "rows" : [ {"entity_id":"7","features":{"a":1.50, "b":null}} , {"entity_id":8, "later": [{}] } ], "\u0064ry_run":true, "names":["x","\ty"] } `
	body = strings.ReplaceAll(body, "\t", `\t`)
	var got []string
	s := jsonscan.New(body)
	err := s.Object(func(name string) error {
		switch name {
		case "rows":
			return s.Array(func(i int) error {
				return s.Object(func(name string) error {
					switch name {
					case "entity_id":
						raw, err := s.Value()
						got = append(got, fmt.Sprint(i, " ", raw))
						return err
					case "features":
						return s.Object(func(name string) error {
							raw, err := s.Value()
							got = append(got, name+"="+raw)
							return err
						})
					}
					return nil // passed over
				})
			})
		case "dry_run":
			yes, err := s.Bool()
			got = append(got, fmt.Sprint(yes))
			return err
		case "names":
			names, err := s.Texts()
			got = append(got, names...)
			return err
		}
		return s.Errorf("unknown member %q", name)
	})
	require.NoError(t, err)
	require.NoError(t, s.End())
	require.Equal(t, []string{`0 "7"`, "a=1.50", "b=null", "1 8", "true", "x", "\ty"}, got)
}

func TestErrorsHaveAPlace(t *testing.T) {
	for body, want := range map[string]string{
		`{"rows":5}`:                            "rows: expected an array, got 5 (at byte 8)",
		`{"rows":[{"features":[]}]}`:            "rows[0].features: expected an object, got [ (at byte 21)",
		`{"rows":[{},{"features":{"a":x}}]}`:    "rows[1].features.a: expected a value, got x (at byte 29)",
		`{"rows":[{},{"surprise":1}]}`:          `rows[1].surprise: unknown member "surprise" (at byte 24)`,
		`{"rows":[{"skipped":[1,NaN]}]}`:        "rows[0].skipped[1]: NaN is no JSON number: send null, or leave the member out (at byte 23)",
		`{"rows":[{"features":{"a":1,"a":2}}]}`: `rows[0].features: the member "a" stands twice in the same object (at byte 28)`,
		`[]`:                                    "expected an object, got [ (at byte 0)",
		``:                                      "the text ends in the middle of a value (at byte 0)",
	} {
		s := jsonscan.New(body)
		err := s.Object(func(name string) error {
			return s.Array(func(int) error {
				return s.Object(func(name string) error {
					switch name {
					case "features":
						return s.Object(func(string) error { _, err := s.Value(); return err })
					case "skipped":
						return nil
					}
					return s.Errorf("unknown member %q", name)
				})
			})
		})
		require.EqualError(t, err, want)
	}
	for body, want := range map[string]string{
		`{"a":{"b":"\ud8"`:  "a.b: the text ends in the middle of a value (at byte 16)",
		`{"a":[0,01]}`:      "a[1]: a number must not begin with a zero: 01 (at byte 8)",
		"{\"a\":\"\xff\"}":  "a: a string holds invalid UTF-8: the byte 0xff (at byte 6)",
		`{"a":"\u0000"}`:    `a: a string holds NUL (\u0000), which is refused (at byte 6)`,
		`customer_id=1&b=2`: "expected a value, got customer_id (at byte 0)",
	} {
		s := jsonscan.New(body)
		err := s.Object(func(string) error { _, err := s.Value(); return err })
		require.EqualError(t, err, want)
	}
	stop := fmt.Errorf("stop")
	require.Equal(t, stop, jsonscan.New(`{"a":1}`).Object(func(string) error { return stop }))
	err := jsonscan.Fault(&jsonscan.Error{Path: "rows[1]", Offset: 7, Message: "expected an object, got 5"})
	require.EqualError(t, err, "the JSON cannot be read: rows[1]: expected an object, got 5 (at byte 7)")
	require.EqualError(t, jsonscan.Fault(fmt.Errorf("other")), "other")
}

func TestManyMembers(t *testing.T) {
	for _, n := range []int{63, 64, 65, 1000} {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"member_%d":{"a":%d}`, i, i)
		}
		text := "{" + b.String()[1:]
		_, err := scan(text + "}")
		require.NoError(t, err)
		_, err = scan(text + `,"member_5":1}`)
		require.ErrorContains(t, err, `the member "member_5" stands twice`)
	}
}

// What is valid is accepted, and its text is what the standard library understands of it.
func TestAgreesWithStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := valuetest.Value(value.JSON).Draw(t, "document")
		space := rapid.SampledFrom([]string{"", " ", "\n\t\r "}).Draw(t, "space")
		text := space + v.Text() + space
		raw, err := scan(text)
		require.NoError(t, err)
		require.Equal(t, v.Text(), raw)
		require.Equal(t, v.Text(), jsonscan.Minify(raw))
		indented, err := json.MarshalIndent(json.RawMessage(raw), "", "  ")
		require.NoError(t, err)
		var compact strings.Builder
		encoder := json.NewEncoder(&compact)
		encoder.SetEscapeHTML(false)
		require.NoError(t, encoder.Encode(json.RawMessage(indented)))
		raw, err = scan(string(indented))
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(compact.String()), jsonscan.Minify(raw))
	})
	rapid.Check(t, func(t *rapid.T) {
		text := valuetest.Text().Draw(t, "text")
		raw, err := json.Marshal(text)
		require.NoError(t, err)
		s := jsonscan.New(string(raw))
		got, err := s.Text()
		require.NoError(t, err)
		require.Equal(t, text, got)
	})
}

// Whatever is cut off makes an error that says the text was incomplete, and never a wrong answer.
func TestIncomplete(t *testing.T) {
	const text = `{"a":[1,-2.5e+10,"x\ud83d\ude00\n\u00e9é"],"b":{"c":null,"d":[true,false]},"e":""}`
	for n := range len(text) {
		_, err := scan(text[:n])
		var e *jsonscan.Error
		require.ErrorAs(t, err, &e)
		require.True(t, e.Incomplete, "%q: %s", text[:n], err)
	}
}

func FuzzScan(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5e-3,null,true,"x\u00e9"]}`, `[[],{}]`, `"\ud83d\ude00"`, ` 1 `, `{"a":1,"a":2}`, "\"\xff\"", `[1,`, `-`, `{"`, `"\u`, `nul`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		raw, err := scan(text)
		if err != nil {
			return
		}
		require.True(t, json.Valid([]byte(text)), "accepted what is no JSON")
		minified := jsonscan.Minify(raw)
		again, err := scan(minified)
		require.NoError(t, err)
		require.Equal(t, minified, again)
		if jsonscan.KindOf(raw) == jsonscan.String {
			var want string
			require.NoError(t, json.Unmarshal([]byte(raw), &want))
			require.Equal(t, want, jsonscan.Unquote(raw))
		}
	})
}

// BenchmarkObject is the body of a single-row write with ten features.
func BenchmarkObject(b *testing.B) {
	const body = `{"feature_0": 12.5, "feature_1": 0.123456, "feature_2": 17, "feature_3": "gold", "feature_4": true, "feature_5": null, "feature_6": 1234567, "feature_7": 0.5, "feature_8": "2026-01-31T12:00:00Z", "feature_9": -1.25}`
	types := []value.Type{value.Float, value.Float, value.Integer, value.String, value.Boolean, value.Float, value.Integer, value.Float, value.Timestamp, value.Float}
	for _, convert := range []bool{false, true} {
		b.Run(fmt.Sprintf("convert=%t", convert), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				s, n := jsonscan.New(body), 0
				err := s.Object(func(name string) error {
					raw, err := s.Value()
					if convert && err == nil {
						_, err = value.ParseJSON(types[n], unsafe.Slice(unsafe.StringData(raw), len(raw)))
					}
					n++
					return err
				})
				if err == nil {
					err = s.End()
				}
				if err != nil || n != 10 {
					b.Fatal(err, n)
				}
			}
		})
	}
}
