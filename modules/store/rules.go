package store

import (
	"context"

	"featurestore/modules/registry"
	"featurestore/modules/validation/rules"
)

// Rules is what the store asks of validation, and tells it. A store without one checks nothing. All methods are safe for concurrent use.
//
// Of what rules say, this happens to rows: those that break a rule with action quarantine are kept out and wait in quarantine; where a
// rule with action reject_batch fails, its tolerance minded, nothing of the call, load or publication is stored. Other actions change nothing, and neither
// does a rule that cannot be evaluated.
type Rules interface {
	// Guard is the group's enabled row rules, of any severity and action, compiled over group.Features in their order; nil: there are none.
	// Their definitions carry versions. It is asked for every write, and so it is cheap.
	Guard(group *registry.Group) *rules.Set

	// Written takes what the row rules of a group said of a call's rows: after they were stored or quarantined, or the call was refused
	// since one of these rules with action reject_batch failed. A call that is answered by what an earlier one with its key was answered is
	// not told of. It is cheap and never fails.
	Written(group *registry.Group, outcomes []rules.Outcome)

	// Loaded takes what the row rules of a group said of a load, under its run, after it was committed, or was refused as a call is; none
	// where there are no rules. stored tells whether any row of it is stored. It has what is left judged, and answers the run that does so, 0 if
	// there is nothing to do.
	Loaded(ctx context.Context, group *registry.Group, load int64, stored bool, outcomes []rules.Outcome) (run int64, err error)

	// Audit is the group's enabled rules that judge what was loaded last as a whole, compiled over group.Features, and what they are told from
	// outside, for a publication under a run; nil: there are none.
	Audit(ctx context.Context, group *registry.Group, run int64) (*rules.Set, rules.Options)

	// Published takes what row rules and those of Audit said of a publication, after it was committed or refused, as Loaded does of a load. last
	// tells whether rows of the run are stored and no more of them follow: then it has the rest judged, and answers the run that does so.
	Published(ctx context.Context, group *registry.Group, run int64, last bool, outcomes []rules.Outcome) (evaluation int64, err error)
}

// CheckWith says who has the rules that rows are checked by. It is called before Start.
func (s *Store) CheckWith(r Rules) { s.rules = r }
