package registry

import (
	"context"
	"fmt"
	"sync"

	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/fault"
)

// past keeps the catalogs of the revisions that were asked for last.
type past struct {
	mu       sync.Mutex
	catalogs []*Catalog // the last one asked for comes last
}

// pastCatalogs is how many are kept.
const pastCatalogs = 4

func (p *past) find(revision int64) *Catalog {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, c := range p.catalogs {
		if c.revision == revision {
			p.catalogs = append(append(p.catalogs[:i:i], p.catalogs[i+1:]...), c)
			return c
		}
	}
	return nil
}

// forget gives all of them up.
func (p *past) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.catalogs = nil
}

func (p *past) keep(c *Catalog) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.catalogs) == pastCatalogs {
		p.catalogs = p.catalogs[1:]
	}
	p.catalogs = append(p.catalogs[:len(p.catalogs):len(p.catalogs)], c)
}

// At is the catalog as it was at a revision: names, services, types, TTLs and generations as they were then. The fault unknown-revision, of
// kind Gone, says that the registry has not come so far, since it was restored to an earlier state; beyond-horizon, that the past is not kept
// for so long (KeepPast).
func (r *Registry) At(ctx context.Context, revision int64) (*Catalog, error) {
	current := r.catalog.Load()
	if revision > current.revision {
		var err error
		if current, err = r.Refresh(ctx); err != nil {
			return nil, err
		}
	}
	switch {
	case revision == current.revision:
		return current, nil
	case revision > current.revision:
		return nil, fault.New(fault.Gone, "unknown-revision",
			"the definitions are at revision %d, and those of revision %d are lost: the registry was restored to an earlier state", current.revision, revision)
	case revision <= 0:
		return &Catalog{}, r.told(ctx, revision)
	}
	if found := r.past.find(revision); found != nil {
		return found, nil
	}
	rows, err := readPast(ctx, r.db, revision)
	if err != nil {
		return nil, unavailable(fmt.Errorf("read the registry as of revision %d: %w", revision, err))
	}
	if err := r.told(ctx, revision); err != nil {
		return nil, err
	}
	definitions, err := definitionsOf(rows)
	if err != nil {
		return nil, err
	}
	then, err := new(Catalog).with(definitions, 0)
	if err != nil {
		return nil, fmt.Errorf("make the catalog of revision %d: %w", revision, err)
	}
	r.past.keep(then)
	return then, nil
}

// AsOf is the catalog as it was at a moment, in µs: with all changes up to it. From then on no change is dated at or before that moment,
// so that the answer stays the same for ever; the moment must therefore not lie in the future. What was registered before the registry
// kept its past counts from when it began to.
func (r *Registry) AsOf(ctx context.Context, moment int64) (*Catalog, error) {
	var revision int64
	err := r.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		var state stateRow
		if err := tx.Take(&state, 1).Error; err != nil {
			return err
		}
		if at := database.Micros(moment); state.Clock <= at {
			if err := waitLess(tx); err != nil {
				return err
			}
			// It waits for the change under way, whose moment may be an earlier one.
			if err := tx.Model(&stateRow{}).Where("id = 1 AND clock <= ?", at).Update("clock", at+1).Error; err != nil {
				return err
			}
		}
		return tx.Model(&pastRow{}).Where("at <= ?", database.Micros(moment)).Select("coalesce(max(revision), 0)").Scan(&revision).Error
	})
	if err != nil {
		return nil, unavailable(fmt.Errorf("find the revision of a moment: %w", err))
	}
	return r.At(ctx, revision)
}

// readPast reads all definitions as they were at a revision.
func readPast(ctx context.Context, db *gorm.DB, revision int64) (rows []definitionRow, err error) {
	err = db.WithContext(ctx).Raw(`SELECT * FROM registry_past AS p WHERE p.revision <= ? AND NOT EXISTS
		(SELECT 1 FROM registry_past AS n WHERE n.id = p.id AND n.revision > p.revision AND n.revision <= ?) ORDER BY p.revision, p.id`, revision, revision).
		Scan(&rows).Error
	return rows, err
}
