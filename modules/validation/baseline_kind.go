package validation

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
)

// Baseline is a definition of what drift is measured against.
type Baseline struct {
	Name        string
	Version     int
	Group       string
	Features    []string // as they are called now; empty: all of the group
	Source      Source
	Owner       string
	Description string
}

// Has tells whether the baseline is of a feature too.
func (b *Baseline) Has(feature string) bool {
	return len(b.Features) == 0 || slices.Contains(b.Features, feature)
}

// Source says which values make a baseline; exactly one of its members is given.
type Source struct {
	Window      *Period       // the observations with event times in it, frozen
	Run         int64         // the rows that this load brought, frozen; 0: not given
	Previous    time.Duration // the period of this length before the judged window; 0: not given
	TrainingSet *TrainingSet  // a table that is sent to be frozen
}

// Period is event times from From until before To, in µs.
type Period struct{ From, To int64 }

// TrainingSet is the table that a model was trained on. It is sent when the baseline is frozen, and only its profile is kept.
type TrainingSet struct {
	KnownAt string // the training set's known_at token, for whoever wants to know which it was; optional
}

// BaselineKind is the definition of baselines, for the registry: it is passed to registry.New.
func BaselineKind() *registry.Kind {
	return &registry.Kind{
		Name: kindBaseline, Plural: "baselines",
		Members: []registry.Member{
			{Name: "group", Required: true, Read: registry.Text(48)},
			{Name: "features", Read: registry.Texts(registry.MaxFeatures, 48)},
			{Name: "source", Required: true, Read: readSource},
			{Name: "owner", Read: registry.Text(500)},
			{Name: "description", Read: registry.Text(10_000)},
		},
		Check: checkBaseline,
		Reads: func(members registry.Members) []registry.Named {
			group := textOf(members["group"])
			reads := []registry.Named{{Kind: "group", Name: group}}
			for _, name := range textsOf(members["features"]) {
				reads = append(reads, registry.Named{Kind: "feature", Name: group + ":" + name})
			}
			return reads
		},
	}
}

func checkBaseline(after *registry.Catalog, name string, members registry.Members) []fault.Violation {
	c := &checker{after: after}
	if name == PreviousPeriod {
		c.wrong("name", name, "stands for the period before the judged window in rules of kind distribution: use another name")
	}
	group := c.group("group", textOf(members["group"]))
	if group == nil {
		return c.found
	}
	seen := map[*registry.Feature]bool{}
	for i, name := range textsOf(members["features"]) {
		at := fmt.Sprintf("features[%d]", i)
		f, found := after.Feature(group, name)
		switch {
		case !found:
			c.wrong(at, name, "there is no feature %q in the group %s%s", fault.Shorten(name), group.Name, registry.DidYouMean(name, featureNames(group)))
		case seen[f]:
			c.wrong(at, name, "is a former name of %s: given twice", f.Name)
		}
		seen[f] = true
	}
	return c.found
}

// sourceWords are the members that a source can have; it has one.
const sourceWords = "window, run, previous or training_set"

// readSource reads {"window": {"from", "to"}}, {"run": 17}, {"previous": {"period": "7d"}} or {"training_set": {"known_at"}}.
func readSource(raw json.RawMessage, wrong registry.Wrong) json.RawMessage {
	if jsonscan.KindOf(string(raw)) != jsonscan.Object {
		wrong("", string(raw), "expected an object with %s", sourceWords)
		return nil
	}
	var canonical json.RawMessage
	n := 0
	members(raw, func(name, value string) {
		if value == "null" {
			return
		}
		n++
		at := "." + name
		switch name {
		case "window":
			canonical = readPeriod(value, at, wrong)
		case "run":
			canonical = readRun(value, at, wrong)
		case "previous":
			canonical = readPrevious(value, at, wrong)
		case "training_set":
			canonical = readTrainingSet(value, at, wrong)
		default:
			wrong(at, "", "unknown member; a source has %s%s", sourceWords, registry.DidYouMean(name, slices.Values([]string{"window", "run", "previous", "training_set"})))
		}
	})
	if n != 1 {
		wrong("", string(raw), "give exactly one of %s", sourceWords)
	}
	return canonical
}

// members calls f with those of an object that is well formed.
func members(raw json.RawMessage, f func(name, value string)) {
	s := jsonscan.New(string(raw))
	_ = s.Object(func(name string) error { // the registry has read it already
		value, err := s.Value()
		if err == nil {
			f(name, value)
		}
		return err
	})
}

// parts reads an object whose members are texts; ok is false if it is none or has others than those named.
func parts(raw, at string, wrong registry.Wrong, names ...string) (texts map[string]string, ok bool) {
	if jsonscan.KindOf(raw) != jsonscan.Object {
		wrong(at, raw, "expected an object with %q", names)
		return nil, false
	}
	texts, ok = map[string]string{}, true
	members(json.RawMessage(raw), func(name, value string) {
		switch {
		case !slices.Contains(names, name):
			wrong(at+"."+name, "", "unknown member; there is %q", names)
			ok = false
		case value == "null":
		case jsonscan.KindOf(value) != jsonscan.String:
			wrong(at+"."+name, value, "expected a text")
			ok = false
		default:
			texts[name] = jsonscan.Unquote(value)
		}
	})
	return texts, ok
}

func readPeriod(raw, at string, wrong registry.Wrong) json.RawMessage {
	texts, ok := parts(raw, at, wrong, "from", "to")
	if !ok {
		return nil
	}
	var ends [2]int64
	for i, name := range []string{"from", "to"} {
		us, err := value.ParseTime(texts[name], nil)
		if texts[name] == "" {
			err = fmt.Errorf("must be given: a window that is frozen has two ends")
		}
		if err != nil {
			wrong(at+"."+name, texts[name], "%v", err)
			ok = false
		}
		ends[i] = us
	}
	if ok && ends[0] >= ends[1] {
		wrong(at+".to", texts["to"], "is not after from: the window would be empty")
	}
	return fmt.Appendf(nil, `{"window":{"from":"%s","to":"%s"}}`, value.AppendTime(nil, ends[0]), value.AppendTime(nil, ends[1]))
}

func readRun(raw, at string, wrong registry.Wrong) json.RawMessage {
	v, err := value.ParseJSON(value.Integer, []byte(raw))
	if jsonscan.KindOf(raw) != jsonscan.Number || err != nil || v.Int() < 1 {
		wrong(at, raw, "expected the id of a load's run, such as 17")
		return nil
	}
	return fmt.Appendf(nil, `{"run":%d}`, v.Int())
}

func readPrevious(raw, at string, wrong registry.Wrong) json.RawMessage {
	texts, ok := parts(raw, at, wrong, "period")
	if !ok {
		return nil
	}
	if _, err := registry.ParseDuration(texts["period"]); err != nil {
		wrong(at+".period", texts["period"], "%v", err)
	}
	return fmt.Appendf(nil, `{"previous":{"period":%s}}`, registry.QuoteText(texts["period"]))
}

func readTrainingSet(raw, at string, wrong registry.Wrong) json.RawMessage {
	texts, ok := parts(raw, at, wrong, "known_at")
	if !ok {
		return nil
	}
	if len(texts["known_at"]) > 500 {
		wrong(at+".known_at", texts["known_at"], "longer than 500 bytes")
	}
	if texts["known_at"] == "" {
		return json.RawMessage(`{"training_set":{}}`)
	}
	return fmt.Appendf(nil, `{"training_set":{"known_at":%s}}`, registry.QuoteText(texts["known_at"]))
}

// baselineOf reads a baseline that the registry keeps.
func baselineOf(catalog *registry.Catalog, d *registry.Definition) (*Baseline, error) {
	var document struct {
		Group    string   `json:"group"`
		Features []string `json:"features"`
		Source   struct {
			Window      *struct{ From, To string } `json:"window"`
			Run         int64                      `json:"run"`
			Previous    *struct{ Period string }   `json:"previous"`
			TrainingSet *struct {
				KnownAt string `json:"known_at"`
			} `json:"training_set"`
		} `json:"source"`
	}
	if err := json.Unmarshal(d.Document, &document); err != nil {
		return nil, fmt.Errorf("read the kept baseline %s: %w", d.Name, err)
	}
	b := &Baseline{Name: d.Name, Version: d.Version, Group: document.Group, Features: document.Features, Owner: d.Owner, Description: d.Description}
	if group, found := catalog.Group(b.Group); found {
		for i, name := range b.Features {
			if f, found := catalog.Feature(group, name); found {
				b.Features[i] = f.Name
			}
		}
	}
	source, err := &document.Source, error(nil)
	b.Source.Run = source.Run
	if source.Window != nil {
		b.Source.Window = &Period{}
		if b.Source.Window.From, err = value.ParseTime(source.Window.From, nil); err == nil {
			b.Source.Window.To, err = value.ParseTime(source.Window.To, nil)
		}
	}
	if source.Previous != nil {
		b.Source.Previous, err = registry.ParseDuration(source.Previous.Period)
	}
	if source.TrainingSet != nil {
		b.Source.TrainingSet = &TrainingSet{source.TrainingSet.KnownAt}
	}
	if err != nil {
		return nil, fmt.Errorf("read the kept baseline %s: %w", d.Name, err)
	}
	return b, nil
}

// textOf is a member that is a string, "" if it is none.
func textOf(raw json.RawMessage) string {
	var text string
	if len(raw) == 0 || json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

// textsOf is a member that is a list of strings.
func textsOf(raw json.RawMessage) []string {
	var list []string
	if len(raw) == 0 || json.Unmarshal(raw, &list) != nil {
		return nil
	}
	return list
}
