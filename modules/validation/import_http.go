package validation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value/jsonscan"
	"featurestore/modules/validation/gx"
	"featurestore/modules/validation/rules"
)

type importInput struct {
	httpapi.Payload
	Format   string         `query:"format" doc:"gx: a suite of Great Expectations, of version 0.x or 1.x"`
	Group    string         `query:"group" doc:"The feature group that the rules are about"`
	Apply    bool           `query:"apply" doc:"Make the rules so: those that fit the group are registered or changed, all or none"`
	DryRun   bool           `query:"dry_run" doc:"With apply: change nothing; answer the plan of what would be done"`
	Severity rules.Severity `query:"severity" enum:"info,warn,error" doc:"With apply: of all rules. Left out: as each expectation says, else warn"`
	Action   rules.Action   `query:"action" enum:"record,quarantine,reject_batch" doc:"With apply: of those rules of severity error that are decided row by row. Left out: record"`
	Prefix   string         `query:"prefix" doc:"With apply: what the rules' names begin with, so that suites of several groups do not share names"`
}

// ImportAnswer is the answer of POST /rules/import.
type ImportAnswer struct {
	Name        string             `json:"name" doc:"The suite's"`
	Rules       []rules.Definition `json:"rules" doc:"The rules that the suite has become"`
	NotImported []gx.NotImported   `json:"not_imported" doc:"The expectations that have become none, with the reason"`
	Plan        *registry.Plan     `json:"plan,omitempty" doc:"With apply: what was done, or with dry_run would be. What the suite does not name stays and is not listed"`
}

// importSuite makes rules of a suite, and with apply definitions.
func (v *Validation) importSuite(ctx context.Context, in *importInput) (*httpapi.Bytes, error) {
	if in.Format != "gx" {
		return nil, unknownFormat(in.Format, "gx")
	}
	text, err := in.JSON(v.config.MaxBodyBytes)
	if err != nil {
		return nil, err
	}
	text = gx.Lenient(text)
	s := jsonscan.New(text)
	raw, err := s.Value()
	if err == nil {
		err = s.End()
	}
	if err != nil {
		return nil, jsonscan.Fault(err)
	}
	suite, err := gx.ReadSuite(raw, v.now())
	if err != nil {
		return nil, err
	}
	expectations, left := suite.Importable(in.Group)
	answer := ImportAnswer{Name: suite.Name, Rules: []rules.Definition{}, NotImported: left}
	if in.Apply {
		if err := v.applySuite(ctx, in, expectations, &answer); err != nil {
			return nil, err
		}
	} else {
		for _, e := range expectations {
			answer.Rules = append(answer.Rules, e.Rule)
		}
	}
	body, err := appendAnswer(nil, answer)
	return &httpapi.Bytes{ContentType: "application/json", Body: body}, err
}

// applySuite registers the rules that fit the group; those that do not join what is not imported.
func (v *Validation) applySuite(ctx context.Context, in *importInput, expectations []gx.Expectation, answer *ImportAnswer) error {
	catalog, err := v.definitions.Refresh(ctx)
	if err != nil {
		return err
	}
	if in.Group == "" {
		return fault.New(fault.Unprocessable, "invalid-import", "group must be given: rules that are applied are about one").At("query.group", "", "must be given")
	}
	if _, found := catalog.Group(in.Group); !found {
		return catalog.UnknownGroup(in.Group)
	}
	if err := registry.CheckName(in.Prefix); in.Prefix != "" && err != nil {
		return fault.New(fault.Unprocessable, "invalid-import", "prefix: %v", err).At("query.prefix", in.Prefix, "%v", err)
	}
	var file struct {
		Rules []map[string]json.RawMessage `json:"rules"`
	}
	taken := fault.New(fault.Conflict, "rule-exists", "rules of these names are about other groups; pass prefix, which the names then begin with")
	used := map[string]bool{}
	for _, e := range expectations {
		rule := in.chosen(e)
		for n := 2; used[rule.Name]; n++ {
			rule.Name = keptName(in.Prefix, e.Rule.Name+"_"+strconv.Itoa(n))
		}
		used[rule.Name] = true
		members, err := rule.Written()
		if err != nil {
			answer.NotImported = append(answer.NotImported, gx.NotImported{Expectation: e.Config, Reason: err.Error()})
			continue
		}
		if wrong := checkRule(catalog, rule.Name, members); len(wrong) > 0 {
			answer.NotImported = append(answer.NotImported, gx.NotImported{Expectation: e.Config,
				Reason: strings.TrimPrefix(wrong[0].Location+": "+wrong[0].Message, ": ")})
			continue
		}
		if there, found := catalog.Definition(kindRule, rule.Name); found {
			if kept, err := ruleOf(there); err == nil && kept.Group != in.Group {
				taken.At(rule.Name, "", "is about the group %s", kept.Group)
			}
		}
		for _, own := range []string{"enabled", "for", "resolve_after", "owner"} { // what the suite does not decide
			delete(members, own)
		}
		members["name"] = registry.QuoteText(rule.Name)
		file.Rules, answer.Rules = append(file.Rules, members), append(answer.Rules, rule)
	}
	if len(taken.Violations) > 0 {
		return taken
	}
	body, err := json.Marshal(file)
	if err != nil {
		return err
	}
	if answer.Plan, err = v.definitions.Apply(ctx, body, "application/json", registry.Options{DryRun: in.DryRun}); err != nil {
		return err
	}
	answer.Plan.NotNamed = nil
	filled(answer.Plan)
	return nil
}

// chosen is the rule of an expectation with what the call says of all rules.
func (in *importInput) chosen(e gx.Expectation) rules.Definition {
	rule := e.Rule
	rule.Name = keptName(in.Prefix, rule.Name)
	switch {
	case in.Severity != "":
		rule.Severity = in.Severity
	case !e.Severe:
		rule.Severity = rules.Warn
	}
	if in.Action != "" && rule.Severity == rules.Error && rules.IsRow(rule.Kind) {
		rule.Action = in.Action
	}
	return rule
}

// longestName is how many bytes the name of a definition can have.
const longestName = 48

// keptName makes the name of a definition of one that an expectation has: with the prefix, and if it is too long then cut, with eight digits
// that are always the same for it.
func keptName(prefix, name string) string {
	if prefix != "" {
		name = strings.TrimRight(prefix, "_") + "_" + name
	}
	if len(name) <= longestName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	digits := hex.EncodeToString(sum[:4])
	return strings.TrimRight(name[:longestName-1-len(digits)], "_") + "_" + digits
}

// filled makes lists without entries lists all the same, as every plan is answered.
func filled(p *registry.Plan) {
	p.Created, p.Changed, p.Deleted = append([]registry.Named{}, p.Created...), append([]registry.Change{}, p.Changed...), append([]registry.Named{}, p.Deleted...)
	p.Breaking, p.Unchanged = append([]registry.Breaking{}, p.Breaking...), append([]registry.Named{}, p.Unchanged...)
	p.ShortNamesTaken, p.NotNamed = append([]registry.Taken{}, p.ShortNamesTaken...), append([]registry.Named{}, p.NotNamed...)
}
