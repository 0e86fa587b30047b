package store

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"featurestore/modules/registry"
)

// ErrNotWaiting says that entries do not wait in quarantine any more, or not as they were read: somebody else replayed, amended, discarded
// or removed them. Nothing was stored or changed.
var ErrNotWaiting = errors.New("an entry does not wait in quarantine any more as it was read")

// QuarantineState is where an entry stands. Only those that wait can become something else.
type QuarantineState string

const (
	Waiting   QuarantineState = "waiting"
	Replayed  QuarantineState = "replayed"
	Discarded QuarantineState = "discarded"
	Expired   QuarantineState = "expired"

	// Entries of erased entities are removed, and those that were taken back, with their run or by themselves: only the counts tell of them.
	QuarantineErased   QuarantineState = "erased"
	QuarantineReverted QuarantineState = "reverted"
)

// Quarantined is a row that rules keep out of history, with what is needed to store it later. It is in the quarantine of its group. Once it
// has ended waiting, Key, Document and all of Broken but the rules' names are gone.
type Quarantined struct {
	ID        string // see NewQuarantineID
	Group     *registry.Group
	Key       Key
	EventTime int64  // µs; value.NoTime asks for the time of the transaction, which AppendTogether fills in
	Document  []byte // a JSON object: what the row observed, by feature name; a feature that was renamed is found by its earlier names
	Broken    []Breach
	Source    Source
	Checked   int64 // as Rows.Checked; for writing only

	At      int64           // µs of the store's clock: when it came in; filled in by AppendTogether, and by reading
	Number  int64           // by reading: later ones have higher numbers
	State   QuarantineState // by reading
	Version int             // by reading: 1, and one more for each time it was amended
	Ended   int64           // by reading: when it ended waiting, in µs of the store's clock; 0: it has not
}

// Breach is a rule that a row breaks.
type Breach struct {
	Rule     string          `json:"rule"`
	Version  int             `json:"version,omitempty" doc:"Of the rule's definition"`
	Feature  string          `json:"feature,omitempty"`
	Value    json.RawMessage `json:"value,omitempty" doc:"What it observed; \"(masked)\" where the feature is tagged pii"`
	Expected string          `json:"expected,omitempty"`
}

// EncodeBroken is for engines: the names of the rules, each between line ends, and all of it.
func EncodeBroken(broken []Breach) (rules, text string, err error) {
	rules = "\n"
	for _, b := range broken {
		if name := b.Rule + "\n"; !strings.Contains(rules, "\n"+name) {
			rules += name
		}
	}
	b, err := json.Marshal(broken)
	return rules, string(b), err
}

// DecodeBroken is the inverse; of text "" only the rules' names are known.
func DecodeBroken(rules, text string) (broken []Breach, err error) {
	if text != "" {
		return broken, json.Unmarshal([]byte(text), &broken)
	}
	for name := range strings.FieldsSeq(rules) {
		broken = append(broken, Breach{Rule: name})
	}
	return broken, nil
}

// Source says where a row came from.
type Source struct {
	Way  string // WayWrite, WayLoad, WayFeast or WayPipeline
	Run  int64  // the load or publication; 0: it was written singly
	File string // the name of the file that was loaded, as far as it is known
	Row  int64  // its number in the load, as in the answers that list bad rows; 0: it was written singly
}

// Ways in.
const (
	WayWrite = "write"
	WayLoad  = "load"
	WayFeast = "feast"

	WayPipeline = "pipeline"
)

// NewQuarantineID makes the id of an entry that is made at that time (µs). Ids are random, and those of one process ascend by the
// millisecond, so that an index over them grows at its end.
func NewQuarantineID(at int64) string {
	const digits = "0123456789abcdefghijklmnopqrstuv"
	var b [10]byte
	ms := uint64(at / 1000)
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = digits[ms%32]
		ms /= 32
	}
	return string(b[:]) + strings.ToLower(rand.Text()[:16])
}

// Together is what one transaction stores: all of it or nothing.
type Together struct {
	Rows     []*Rows         // as in Append
	Requests []*KeyedRequest // as in AppendOnce
	Entries  []*Quarantined  // that come into quarantine
	Replayed []*Quarantined  // that are stored with Rows, as they were read
}

// QuarantineFilter says which entries, those with higher numbers first.
type QuarantineFilter struct {
	Groups []*registry.Group // in the quarantine of one of these
	IDs    []string          // only these, if not nil
	Rule   string            // only those that break that rule, if not ""
	Run    int64             // only those that came with that load, if not 0
	State  QuarantineState   // only those, if not ""
	Before int64             // only those with lower numbers, if not 0
	Limit  int               // at most so many, if not 0
}

// Quarantine is where an offline store keeps the rows that rules keep out of history, in the transactions of the rows that came with them.
// A group is retired, and its join keys change, only when nothing of it waits.
type Quarantine interface {
	// AppendTogether is AppendOnce that also brings entries into quarantine, under the layouts of their groups (ErrOutdated) and checked
	// against the ledger (ErrUnchecked) as rows are; and that marks entries as replayed. Of two calls that replay an entry one stores; the
	// other, and one whose entry was amended since it was read, stores nothing: ErrNotWaiting. ErrKnown comes before that. The ids of one
	// call differ.
	AppendTogether(ctx context.Context, all *Together) error

	// ListQuarantined reads entries, in one moment. Entries of an open load do not show.
	ListQuarantined(ctx context.Context, of QuarantineFilter) ([]*Quarantined, error)

	// AmendQuarantined gives waiting entries, as they were read, the Document and Broken that they have now, all or none (ErrNotWaiting),
	// and raises their versions.
	AmendQuarantined(ctx context.Context, entries []*Quarantined) error

	// DiscardQuarantined discards those of the entries that wait, and answers how many they were.
	DiscardQuarantined(ctx context.Context, ids []string) (int, error)

	// ExpireQuarantined ends waiting of at most limit entries that came in longer than keep ago, and answers how many.
	ExpireQuarantined(ctx context.Context, keep time.Duration, limit int) (int, error)

	// ForgetQuarantined removes what is left of at most limit entries that ended waiting longer than keep ago, and answers how many. They
	// are counted nevertheless.
	ForgetQuarantined(ctx context.Context, keep time.Duration, limit int) (int, error)

	// CountQuarantined counts all entries that ever came in, by their groups' ids and what became of them.
	CountQuarantined(ctx context.Context) (map[int64]map[QuarantineState]int64, error)
}
