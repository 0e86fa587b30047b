package registry

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/fault"
	"featurestore/modules/registry/value"
)

// errNothing rolls a transaction back that has nothing to write.
var errNothing = errors.New("nothing changes")

// change is the one way in which definitions change: plan says what is wanted, everything is checked, and what differs is
// written in one transaction. A dry run does the same up to the writing. The answer is the catalog after the change, which
// is then this process's current one.
func (r *Registry) change(ctx context.Context, dryRun bool, plan func(*planner)) (*outcome, error) {
	if dryRun {
		catalog, err := r.Refresh(ctx)
		if err != nil {
			return nil, err
		}
		p := newPlanner(ctx, catalog, r, firstPlanned)
		plan(p)
		return p.settle(catalog.revision, catalog.moment, true)
	}
	r.changing.Lock()
	defer r.changing.Unlock()
	var out *outcome
	retired := false
	err := r.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		state, err := begin(tx)
		if err != nil {
			return fmt.Errorf("begin a change of the registry: %w", err)
		}
		catalog, err := r.newer(ctx, tx)
		if err != nil {
			return err
		}
		p := newPlanner(ctx, catalog, r, state.NextID)
		if last := state.Clock.Time(); p.now.Before(last) {
			p.now = last
		}
		plan(p)
		if out, err = p.settle(state.Revision, database.MicrosOf(p.now), false); err != nil {
			return err
		}
		if len(out.edits) == 0 {
			return errNothing
		}
		if len(p.vacant) > 0 && r.Guards.Retire != nil {
			retired = true
			if err := r.retire(ctx, p.vacant); err != nil {
				return err
			}
		}
		if err := write(tx, out.edits, p.now, p.nextID); err != nil {
			return fmt.Errorf("write to the registry: %w", err)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errNothing) {
		if retired {
			r.reopen(ctx)
		}
		return nil, unavailable(err)
	}
	r.publish(out.after)
	return out, nil
}

// retire makes sure that groups have no rows and get none while the change is under way, nor afterwards by those who do not know of it.
func (r *Registry) retire(ctx context.Context, groups []*Group) error {
	for _, g := range groups {
		used, err := r.Guards.Retire(ctx, g)
		if err != nil {
			return err
		}
		if used {
			return valuesStored(g)
		}
	}
	return nil
}

// reopen lets groups be written again that a change retired and did not delete, since it failed or its process died. No change is under way
// meanwhile. Where it cannot be done now, the poll tries again.
func (r *Registry) reopen(ctx context.Context) {
	if r.Guards.Reopen == nil {
		return
	}
	err := r.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if _, err := begin(tx); err != nil {
			return err
		}
		catalog, err := r.newer(ctx, tx)
		if err == nil {
			err = r.Guards.Reopen(ctx, catalog.Groups())
		}
		if err == nil {
			err = errNothing
		}
		return err
	})
	r.closed.Store(!errors.Is(err, errNothing))
	if r.closed.Load() {
		r.log.Warn("groups that a change retired may not be writable yet; it is tried again", "error", err)
	}
}

// firstPlanned is the first id of a dry run: none of them is ever stored.
const firstPlanned = 1 << 62

// RegisterUnregistered makes drafts of features that a write named and nobody registered, in the entity type's default group;
// entity type and group are made if they are new. A feature that somebody else registered meanwhile is fine if the type fits:
// an INTEGER goes into a FLOAT, and a draft of INTEGER becomes FLOAT. Otherwise the fault is value-type-conflict.
func (r *Registry) RegisterUnregistered(ctx context.Context, entityType string, features []Unregistered) (*Catalog, error) {
	if err := CheckName(entityType); err != nil {
		return nil, settled(newProblems().At("entity_type", entityType, "%v", err))
	}
	return r.registerDrafts(ctx, wanted{entityType: entityType}, features, false, func(p *planner, name string) (*Feature, bool) {
		f, err := p.before.Resolve(entityType, name)
		return f, err == nil
	})
}

// RegisterInGroup is RegisterUnregistered for features of one group, which a load into it named. A dry run answers the catalog as it
// would be and changes nothing.
func (r *Registry) RegisterInGroup(ctx context.Context, group *Group, features []Unregistered, dryRun bool) (*Catalog, error) {
	in := wanted{entityType: group.EntityType.Name, group: group.Name}
	return r.registerDrafts(ctx, in, features, dryRun, func(p *planner, name string) (*Feature, bool) {
		now, ok := p.before.GroupByID(group.ID)
		if !ok {
			return nil, false
		}
		return p.before.Feature(now, name)
	})
}

// registerDrafts makes drafts, where in says, of the features that find does not know.
func (r *Registry) registerDrafts(ctx context.Context, in wanted, features []Unregistered, dryRun bool, find func(*planner, string) (*Feature, bool)) (*Catalog, error) {
	out, err := r.change(ctx, dryRun, func(p *planner) {
		var fresh []*wanted
		for _, u := range features {
			f, ok := find(p, u.Name)
			if !ok {
				if err := checkFeatureName(u.Name, nil); err != nil {
					p.problems.At(u.Name, "", "%v", err)
					continue
				}
				draft := in
				draft.kind, draft.name, draft.at = featureKind, u.Name, u.Name
				draft.members = Members{"value_type": QuoteText(u.ValueType.String()), "status": QuoteText(string(Draft))}
				fresh = append(fresh, &draft)
				continue
			}
			switch {
			case f.ValueType == u.ValueType, f.ValueType == value.Float && u.ValueType == value.Integer:
			case f.ValueType == value.Integer && u.ValueType == value.Float && f.Status == Draft:
				p.widenFeature(f)
			default:
				p.fail(fault.New(fault.Conflict, "value-type-conflict", "the feature %s has been registered meanwhile as %s, which a value of %s does not fit",
					f.Reference(), f.ValueType, u.ValueType))
			}
		}
		p.put(fresh)
	})
	if err != nil {
		return nil, err
	}
	return out.after, nil
}

// Widen makes FLOAT of a draft of INTEGER. If it is FLOAT already nothing happens; a feature that is no draft of INTEGER is the
// fault value-type-conflict.
func (r *Registry) Widen(ctx context.Context, feature *Feature) (*Catalog, error) {
	out, err := r.change(ctx, false, func(p *planner) {
		group, ok := p.before.GroupByID(feature.Group.ID)
		if ok {
			feature, ok = p.before.Feature(group, feature.Name)
		}
		switch {
		case !ok:
			p.fail(fault.New(fault.NotFound, "unknown-feature", "the feature %s has been deleted", feature.Reference()))
		case feature.ValueType == value.Float:
		case feature.ValueType == value.Integer && feature.Status == Draft:
			p.widenFeature(feature)
		default:
			p.fail(fault.New(fault.Conflict, "value-type-conflict", "the feature %s is %s and %s: only a draft of INTEGER becomes FLOAT by itself",
				feature.Reference(), feature.Status, feature.ValueType))
		}
	})
	if err != nil {
		return nil, err
	}
	return out.after, nil
}

func (p *planner) widenFeature(f *Feature) {
	group := p.begin(groupKind, 0, f.Group.Name, f.Group.Name, "")
	p.widen(p.begin(featureKind, f.Group.ID, f.Name, f.Reference(), ""), group, f)
}
