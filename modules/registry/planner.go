package registry

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"featurestore/app/database"
	"featurestore/app/fault"
)

// Guards are what the registry asks of those who store values, inside its own transaction. A nil guard answers as if values
// were stored, unless it says otherwise.
type Guards struct {
	// InUse tells whether rows of the group are stored. While there are, its join keys keep their types and it is not deleted.
	InUse func(ctx context.Context, group *Group) (bool, error)

	// Retire ends writing to a group that must have no rows from now on, in one step with finding out that it has none; used says that it
	// has some, and then nothing has changed. Reopen takes that back for those of the groups that are retired as they are.
	Retire func(ctx context.Context, group *Group) (used bool, err error)
	Reopen func(ctx context.Context, groups []*Group) error

	// Restored is called when the registry is found to have gone back to an earlier moment, before it is read again: what is stored may
	// have done so too. nil: nobody has to know.
	Restored func(ctx context.Context) error

	// Exact answers a fault of kind Conflict if some stored value of an INTEGER feature is no exact FLOAT (beyond 2^53).
	// nil: all are.
	Exact func(ctx context.Context, feature *Feature) error
}

// planner works out what becomes of the definitions, and what is wrong with a request, from a catalog and what is wanted. It
// changes nothing but itself: dry runs and changes are the same plan.
type planner struct {
	ctx     context.Context
	before  *Catalog
	kinds   []*Kind
	require []string
	ttl     time.Duration // of groups that say nothing of theirs; 0: for ever
	guards  Guards

	allowBreaking bool      // value types may change, whatever reads them
	all           []*wanted // what the request wants
	now           time.Time
	nextID        int64

	edits    []*edit // in the order in which they were begun
	byPlace  map[place]*edit
	byID     map[int64]*edit
	joinKeys map[int64][]JoinKey // of entity types that are to be
	sizes    map[int64]int       // how many features groups will have
	columns  map[int64]int       // how many columns of features their tables will have
	claimed  map[claim]*edit     // short names that new features get
	given    []givenShortName    // whose short names are, as the request says
	kept     []claim             // short names that nobody gets
	vacant   []*Group            // must have no rows when this is done
	plan     Plan
	problems *fault.Error
	breaking *fault.Error
	err      error // what ends the planning at once
}

// edit is one definition on its way from before to after.
type edit struct {
	kind   *Kind
	label  string      // its name in the plan: of a feature, its reference
	at     string      // where the request names it
	before *definition // nil if there never was one
	after  definition
	was    Members // of before, if it is live
	is     Members // of after

	named         bool // the request names it, not only something that belongs to it
	renamed       bool
	relaid        bool              // its layout differs
	newGeneration bool              // the values of a feature begin anew
	elsewhere     []givenGeneration // what a new feature has been through where it comes from
	refused       bool              // a member that was asked for would break something and stays as it is
	deleting      bool
}

func (e *edit) creating() bool { return !e.before.live() }

func newPlanner(ctx context.Context, before *Catalog, r *Registry, nextID int64) *planner {
	return &planner{
		ctx: ctx, before: before, kinds: r.kinds, require: r.config.Require, ttl: r.config.TTL, guards: r.Guards, now: r.Clock().UTC().Truncate(time.Microsecond), nextID: nextID,
		byPlace: map[place]*edit{}, byID: map[int64]*edit{}, joinKeys: map[int64][]JoinKey{}, sizes: map[int64]int{}, columns: map[int64]int{}, claimed: map[claim]*edit{},
		problems: newProblems(),
		breaking: fault.New(fault.Conflict, "breaking-change", "the change would break what is stored or what reads it"),
	}
}

// begin finds the edit of a definition or begins one. A former name leads to the definition, unless that was deleted: then it comes back
// under the name that is asked for.
func (p *planner) begin(kind *Kind, parent int64, name, label, at string) *edit {
	where := place{kind.Name, parent, name}
	before := p.before.at(where)
	if before.live() && before.name != name {
		where, label = before.place, strings.TrimSuffix(label, name)+before.name
	}
	if e := p.byPlace[where]; e != nil {
		return e
	}
	if before != nil && p.byID[before.id] != nil { // it was deleted, and comes back in this request under another of its names
		return p.byID[before.id]
	}
	e := &edit{kind: kind, label: label, at: at, before: before, is: Members{}, was: Members{}}
	if e.before == nil {
		e.after = definition{place: where, id: p.nextID, createdAt: p.now}
		p.nextID++
	} else {
		e.after = *e.before
		e.after.layout.ShortNames = slices.Clone(e.before.layout.ShortNames)
		if before.name != name && !before.live() {
			e.rename(name)
		}
	}
	e.after.status = Active
	if e.before.live() {
		members, err := decodeMembers(e.before.document)
		if err != nil {
			p.fail(err)
		}
		e.was = members
		for name, value := range members {
			e.is[name] = value
		}
	} else {
		e.after.createdAt = p.now
	}
	p.edits = append(p.edits, e)
	p.byPlace[where] = e
	p.byID[e.after.id] = e
	return e
}

// changes are the members in which the definition differs from before, its name among them.
func (e *edit) changes() []MemberChange {
	changes := e.kind.compare(e.was, e.is)
	if e.renamed {
		changes = append([]MemberChange{{Member: "name", From: QuoteText(e.before.name), To: QuoteText(e.after.name)}}, changes...)
	}
	return changes
}

func (p *planner) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// name marks the edit as asked for by the request, and checks that it is so once only and from the version that it was meant for.
func (p *planner) name(e *edit, w *wanted) {
	if e.named {
		twice := fmt.Sprintf("the %s is given twice", Named{Kind: e.kind.Name}.word())
		if e.after.name != w.name {
			twice += fmt.Sprintf(": %s is another name of %s", w.name, e.after.name)
		}
		p.problems.At(join(w.at, "name"), e.label, "%s", twice)
	}
	e.named, e.at = true, w.at
	if w.ifMatch != "" && !e.matches(w.ifMatch) {
		now := "it does not exist"
		if e.before.live() {
			now = "it is at version " + strconv.Itoa(e.before.version) + " now"
		}
		p.fail(fault.New(fault.Stale, "changed-meanwhile", "the %s %s is not the version that If-Match names: %s; read it again and repeat",
			Named{Kind: e.kind.Name}.word(), e.label, now).At("header.If-Match", w.ifMatch, "%s", now))
	}
}

// matches tells whether If-Match names the version before.
func (e *edit) matches(ifMatch string) bool {
	if !e.before.live() {
		return false
	}
	for tag := range strings.SplitSeq(ifMatch, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/") // a proxy that compresses makes tags weak
		if tag == "*" || tag == etag(e.before.version) {
			return true
		}
	}
	return false
}

// etag names a version of a definition: a name that was deleted and comes back goes on counting.
func etag(version int) string { return `"` + strconv.Itoa(version) + `"` }

// merge puts what the request says into the edit.
func (e *edit) merge(w *wanted) {
	if w.replace {
		for name := range e.is {
			if !slices.Contains(e.kind.kept, name) {
				delete(e.is, name)
			}
		}
	}
	for name, value := range w.members {
		if value == nil {
			delete(e.is, name)
		} else {
			e.is[name] = value
		}
	}
}

// complete reports required members that are not given.
func (p *planner) complete(e *edit, w *wanted) {
	for _, m := range e.kind.Members {
		if m.Required && e.is[m.Name] == nil {
			p.problems.At(join(w.at, m.Name), "", "must be given")
		}
	}
}

func (e *edit) text(member string) string { return textOf(e.is[member]) }

// differs tells whether a member is another than before.
func (e *edit) differs(member string) bool {
	return string(e.is[member]) != string(e.was[member])
}

// put plans all that a request wants.
func (p *planner) put(all []*wanted) {
	p.all = all
	for _, step := range []struct {
		kind *Kind
		plan func(*wanted)
	}{
		{entityTypeKind, p.entityType},
		{groupKind, p.group},
		{featureKind, p.feature},
	} {
		for _, w := range all {
			if w.kind == step.kind && p.err == nil {
				step.plan(w)
			}
		}
	}
	p.claimShortNames()
	for _, w := range all {
		switch w.kind {
		case entityTypeKind, groupKind, featureKind:
		default:
			e := p.begin(w.kind, 0, w.name, w.name, w.at)
			p.name(e, w)
			e.merge(w)
			p.complete(e, w)
		}
	}
}

// outcome is the settled result of planning.
type outcome struct {
	edits []*edit // those that change something, to be written
	after *Catalog
	plan  Plan
}

// settle checks what definitions say of each other, works out versions, and answers the catalog as it will be at a revision of that moment. Faults: all that is
// wrong with the request; without dryRun also the changes that would break something.
func (p *planner) settle(revision int64, at database.Micros, dryRun bool) (*outcome, error) {
	if err := p.faults(dryRun); err != nil {
		return nil, err
	}
	if p.refers() {
		if err := p.settleReferences(); err != nil {
			return nil, err
		}
		if err := p.faults(dryRun); err != nil {
			if p.err == nil && len(p.breaking.Violations) > 0 {
				err = p.refused() // the mistakes may be about what it leaves out
			}
			return nil, err
		}
	}
	var out outcome
	var changed []*definition
	for _, e := range p.edits {
		if p.settleVersion(e, revision) {
			out.edits = append(out.edits, e)
			changed = append(changed, &e.after)
		}
	}
	after, err := p.before.with(changed, at)
	if err != nil {
		return nil, err
	}
	p.checkOthers(after)
	if err := p.faults(dryRun); err != nil {
		return nil, err
	}
	out.after, out.plan = after, p.plan
	out.plan.DryRun = dryRun
	out.plan.ShortNamesTaken = p.taken(after)
	return &out, nil
}

func (p *planner) faults(dryRun bool) error {
	if p.err != nil {
		return p.err
	}
	if err := settled(p.problems); err != nil {
		return err
	}
	if !dryRun && len(p.breaking.Violations) > 0 {
		return p.refused()
	}
	return nil
}

// nextVersion is the version that the definition will have by what the edit says now.
func (e *edit) nextVersion() int {
	was := 0
	if e.before != nil {
		was = e.before.version
	}
	switch {
	case e.elsewhere != nil:
		return e.elsewhere[len(e.elsewhere)-1].last
	case e.deleting || e.creating() || len(e.changes()) > 0:
		return was + 1
	}
	return was
}

// generation is the version that the newest generation of a feature's values begins with, where a new one begins.
func (e *edit) generation() int {
	if e.elsewhere != nil {
		return e.elsewhere[len(e.elsewhere)-1].first
	}
	return e.nextVersion()
}

// refused is the fault with all changes that would break something.
func (p *planner) refused() error {
	if len(p.breaking.Violations) == 1 {
		p.breaking.Detail = p.breaking.Violations[0].Message
	}
	return p.breaking
}

// settleVersion gives the definition its next version if it changes, notes that in the plan, and tells whether there is
// anything to write.
func (p *planner) settleVersion(e *edit, revision int64) bool {
	name := Named{e.kind.Name, e.label}
	changes := e.changes()
	e.after.version = e.nextVersion()
	switch {
	case e.deleting:
		e.after.status = deleted
		p.plan.Deleted = append(p.plan.Deleted, name)
	case e.creating():
		p.plan.Created = append(p.plan.Created, name)
	case len(changes) > 0:
		p.plan.Changed = append(p.plan.Changed, Change{e.kind.Name, e.label, e.after.version, changes})
	default:
		if e.named && !e.refused {
			p.plan.Unchanged = append(p.plan.Unchanged, name)
		}
		if !e.relaid {
			return false
		}
	}
	if !e.deleting {
		if status := e.text("status"); status != "" && e.kind == featureKind {
			e.after.status = Status(status)
		}
		e.after.document = e.kind.encode(e.is)
	}
	if e.newGeneration {
		e.after.layout.Generation = e.generation()
	}
	if e.before == nil || e.after.version != e.before.version {
		e.after.updatedAt = p.now
	}
	e.after.revision = revision
	return true
}

// notNamed lists what the request does not mention.
func (p *planner) notNamed() []Named {
	var names []Named
	add := func(kind *Kind, parent int64, name, label string) {
		if p.byPlace[place{kind.Name, parent, name}] == nil {
			names = append(names, Named{kind.Name, label})
		}
	}
	for _, et := range p.before.EntityTypes() {
		add(entityTypeKind, 0, et.Name, et.Name)
	}
	for _, g := range p.before.Groups() {
		add(groupKind, 0, g.Name, g.Name)
	}
	for f := range p.before.Features() {
		add(featureKind, f.Group.ID, f.Name, f.Reference())
	}
	for _, s := range p.before.Services() {
		add(serviceKind, 0, s.Name, s.Name)
	}
	for _, k := range p.kinds {
		for _, d := range p.before.Definitions(k.Name) {
			add(k, 0, d.Name, d.Name)
		}
	}
	return names
}
