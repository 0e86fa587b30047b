package alerts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/mail"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"

	"featurestore/app/fault"
	"featurestore/modules/registry"
)

// Kinds of receivers.
const (
	Webhook = "webhook"
	Slack   = "slack"
	Email   = "email"
)

// Receiver is who is told, and of what. Where it is, and its secret, stand in files or environment variables, which are read
// with each try.
type Receiver struct {
	Name        string
	Kind        string
	URLFile     string // holds https://…, of e-mail smtp://user:password@host:587 or smtps://…
	URLEnv      string // or the variable that does
	SecretFile  string // of a webhook: what bodies are signed with; of e-mail: the password, if the URL has none. Optional
	SecretEnv   string
	To          []string // of e-mail: who gets it
	Owners      []string // only what these own; empty: of all owners
	Groups      []string // only of these groups; empty: of all
	MinSeverity Severity // nothing below
}

// ReceiverKind is the definition of receivers, for the registry: it is passed to registry.New.
func ReceiverKind() *registry.Kind {
	return &registry.Kind{
		Name: "receiver", Plural: "receivers",
		Members: []registry.Member{
			{Name: "description", Read: registry.Text(10_000)},
			{Name: "kind", Required: true, Read: registry.OneOf(Webhook, Slack, Email)},
			{Name: "url_file", Read: pathText},
			{Name: "url_env", Read: variableText},
			{Name: "secret_file", Read: pathText},
			{Name: "secret_env", Read: variableText},
			{Name: "to", Read: mailAddresses},
			{Name: "owners", Read: registry.Texts(100, 500)},
			{Name: "min_severity", Read: registry.OneOf(string(Info), string(Warn), string(Error))},
			{Name: "groups", Read: registry.Texts(1000, 48)},
		},
		Check: func(after *registry.Catalog, _ string, members registry.Members) []fault.Violation {
			wrong := contradictions(members)
			for i, group := range texts(members["groups"]) {
				if _, found := after.Group(group); !found {
					wrong = append(wrong, fault.Violation{Location: fmt.Sprintf("groups[%d]", i), Message: "there is no such group", Value: fault.Shorten(group)})
				}
			}
			return wrong
		},
		Reads: func(members registry.Members) []registry.Named {
			var groups []registry.Named
			for _, group := range texts(members["groups"]) {
				groups = append(groups, registry.Named{Kind: "group", Name: group})
			}
			return groups
		},
	}
}

// ParseReceiver reads a receiver as a JSON object, strictly; its fault lists everything that is wrong. Whether the groups exist is
// for the registry to say.
func ParseReceiver(text []byte) (Receiver, error) {
	problem := fault.New(fault.Unprocessable, "invalid-definition", "the receiver is not valid")
	members := registry.Members{}
	if err := jsonv2.Unmarshal(text, &members); err != nil { // refuses what is given twice
		return Receiver{}, problem.At("", "", "expected an object: %v", err)
	}
	kind := ReceiverKind()
	name := text1(members["name"])
	if err := registry.CheckName(name); err != nil {
		problem.At("name", name, "%v", err)
	}
	delete(members, "name")
	for _, m := range kind.Members {
		given := bytes.TrimSpace(members[m.Name])
		if len(given) == 0 || string(given) == "null" || string(given) == `""` {
			if delete(members, m.Name); m.Required {
				problem.At(m.Name, "", "must be given")
			}
			continue
		}
		members[m.Name] = m.Read(given, func(within, value, format string, args ...any) { problem.At(m.Name+within, value, format, args...) })
	}
	for member := range members {
		if !slices.ContainsFunc(kind.Members, func(m registry.Member) bool { return m.Name == member }) {
			problem.At(member, "", "unknown member")
		}
	}
	problem.Violations = append(problem.Violations, contradictions(members)...)
	if len(problem.Violations) > 0 {
		slices.SortFunc(problem.Violations, func(a, b fault.Violation) int { return strings.Compare(a.Location, b.Location) })
		return Receiver{}, problem
	}
	return receiverOf(name, members), nil
}

// receiverOf makes a receiver of members that were checked.
func receiverOf(name string, members registry.Members) Receiver {
	r := Receiver{
		Name: name, Kind: text1(members["kind"]), URLFile: text1(members["url_file"]), URLEnv: text1(members["url_env"]),
		SecretFile: text1(members["secret_file"]), SecretEnv: text1(members["secret_env"]), To: texts(members["to"]),
		Owners: texts(members["owners"]), Groups: texts(members["groups"]), MinSeverity: Severity(text1(members["min_severity"])),
	}
	if r.MinSeverity == "" {
		r.MinSeverity = Warn
	}
	return r
}

// contradictions lists what members say that does not go together.
func contradictions(members registry.Members) []fault.Violation {
	var found []fault.Violation
	wrong := func(bad bool, at, format string, args ...any) {
		if bad {
			found = append(found, fault.Violation{Location: at, Message: fmt.Sprintf(format, args...)})
		}
	}
	given := func(member string) bool { return members[member] != nil }
	kind := text1(members["kind"])
	wrong(!given("url_file") && !given("url_env"), "url_file", "must be given, or url_env: where the receiver is")
	wrong(given("url_file") && given("url_env"), "url_env", "stands beside url_file: give the one or the other")
	wrong(given("secret_file") && given("secret_env"), "secret_env", "stands beside secret_file: give the one or the other")
	wrong(kind == Slack && given("secret_file"), "secret_file", "Slack's address is the secret; it has no other")
	wrong(kind == Slack && given("secret_env"), "secret_env", "Slack's address is the secret; it has no other")
	wrong(kind == Email && !given("to"), "to", "must be given: who gets the e-mails")
	wrong((kind == Slack || kind == Webhook) && given("to"), "to", "only e-mail has addressees")
	return found
}

var variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// variableText reads the name of an environment variable. The program's own are no receiver's.
func variableText(value json.RawMessage, wrong registry.Wrong) json.RawMessage {
	name := registry.Text(200)(value, wrong)
	switch text := text1(name); {
	case name == nil:
	case !variableForm.MatchString(text):
		wrong("", text, "expected the name of an environment variable: letters, digits and _")
	case strings.HasPrefix(strings.ToUpper(text), "FEATURESTORE_"):
		wrong("", text, "variables that begin with FEATURESTORE_ are this program's settings; use another")
	}
	return name
}

// pathText reads the path of a file: one that does not begin with / is below alerts.secrets_folder.
func pathText(value json.RawMessage, wrong registry.Wrong) json.RawMessage {
	path := registry.Text(1000)(value, wrong)
	if text := text1(path); path != nil && !filepath.IsAbs(text) && !filepath.IsLocal(text) {
		wrong("", text, "leads out of alerts.secrets_folder; write it without .., or from / on")
	}
	return path
}

// mailAddresses reads a list of plain addresses.
func mailAddresses(value json.RawMessage, wrong registry.Wrong) json.RawMessage {
	list := registry.Texts(50, 254)(value, wrong)
	for i, text := range texts(list) {
		if !plainAddress(text) {
			wrong(fmt.Sprintf("[%d]", i), text, "expected an e-mail address such as team@example.org")
		}
	}
	return list
}

// plainAddress tells whether a text is an e-mail address and nothing else, without what could end a line or a command of SMTP.
func plainAddress(text string) bool {
	address, err := mail.ParseAddress(text)
	return err == nil && address.Name == "" && address.Address == text && !strings.ContainsAny(text, " <>\"\\\t\r\n") && isASCII(text)
}

func isASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r < 0x20 || r > 0x7e }) < 0
}

// text1 is a member that is a string, "" if it is none.
func text1(value json.RawMessage) string {
	var text string
	if len(value) == 0 || json.Unmarshal(value, &text) != nil {
		return ""
	}
	return text
}

// texts is a member that is a list of strings.
func texts(value json.RawMessage) []string {
	var list []string
	if len(value) == 0 || json.Unmarshal(value, &list) != nil {
		return nil
	}
	return list
}

// Catalog is where definitions are.
type Catalog interface {
	Catalog() *registry.Catalog
}

// Defined are the receivers that the registry holds.
type Defined struct{ Registry Catalog }

// Receivers are all that are defined now, by name.
func (d Defined) Receivers() []Receiver {
	var all []Receiver
	for _, definition := range d.Registry.Catalog().Definitions("receiver") {
		members := registry.Members{}
		if json.Unmarshal(definition.Document, &members) == nil { // the registry wrote it
			all = append(all, receiverOf(definition.Name, members))
		}
	}
	slices.SortFunc(all, func(a, b Receiver) int { return strings.Compare(a.Name, b.Name) })
	return all
}
