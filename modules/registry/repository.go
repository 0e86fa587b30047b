package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"featurestore/app/database"
	"featurestore/app/fault"
)

// batch is how many rows one INSERT takes: SQLite has 32,766 parameters.
const batch = 1000

// begin is the first thing that a change does: it locks the registry until the transaction ends, and raises the revision.
func begin(tx *gorm.DB) (state stateRow, err error) {
	if err := waitLess(tx); err != nil {
		return state, err
	}
	err = tx.Raw("UPDATE registry_state SET revision = revision + 1 WHERE id = 1 RETURNING *").Scan(&state).Error
	return state, err
}

// waitLess limits how long a transaction waits for the change under way.
func waitLess(tx *gorm.DB) error {
	if !database.Postgres(tx) {
		return nil // it has a limit of its own
	}
	return tx.Exec("SET LOCAL lock_timeout = '10s'").Error
}

// follows tells whether what the registry holds now came after a revision that was made at that moment: a registry that was restored to an
// earlier state has come to fewer revisions, or to another one of that number. A moment of 0 is not known.
func follows(ctx context.Context, db *gorm.DB, revision int64, at database.Micros) (bool, error) {
	if revision == 0 {
		return true, nil
	}
	var now struct {
		Revision int64
		Known    bool
	}
	err := db.WithContext(ctx).Raw("SELECT revision, EXISTS (SELECT 1 FROM registry_past WHERE at = ? AND revision = ?) AS known FROM registry_state WHERE id = 1", at, revision).
		Scan(&now).Error
	return now.Revision >= revision && (at == 0 || now.Known), err
}

// readSince reads all definitions that changed after a revision, in the order in which they did, and the moment of the last change.
func readSince(ctx context.Context, db *gorm.DB, revision int64) ([]*definition, database.Micros, error) {
	var past []pastRow
	err := db.WithContext(ctx).Table("registry_definitions AS d").Select("d.*, p.at").Joins("JOIN registry_past AS p ON p.id = d.id AND p.revision = d.revision").
		Where("d.revision > ?", revision).Order("d.revision, d.id").Find(&past).Error
	if err != nil {
		return nil, 0, err
	}
	rows := make([]definitionRow, len(past))
	var at database.Micros
	for i, p := range past {
		rows[i], at = p.Definition, p.At
	}
	definitions, err := definitionsOf(rows)
	return definitions, at, err
}

func definitionsOf(rows []definitionRow) ([]*definition, error) {
	definitions := make([]*definition, len(rows))
	for i, row := range rows {
		d := &definition{
			place:     place{row.Kind, row.Parent, row.Name},
			id:        row.ID,
			version:   row.Version,
			status:    Status(row.Status),
			document:  []byte(row.Document),
			revision:  row.Revision,
			createdAt: row.CreatedAt.Time(),
			updatedAt: row.UpdatedAt.Time(),
		}
		if err := json.Unmarshal([]byte(row.Layout), &d.layout); err != nil {
			return nil, fmt.Errorf("read the layout of the stored %s %s (id %d): %w", d.kind, d.name, d.id, err)
		}
		definitions[i] = d
	}
	return definitions, nil
}

// write stores what a change made, its moment and the next free id.
func write(tx *gorm.DB, edits []*edit, now time.Time, nextID int64) error {
	definitions, past := make([]definitionRow, len(edits)), make([]pastRow, len(edits))
	var versions []versionRow
	for i, e := range edits {
		d := &e.after
		layout, err := json.Marshal(d.layout)
		if err != nil {
			return err
		}
		definitions[i] = definitionRow{
			ID: d.id, Kind: d.kind, Parent: d.parent, Name: d.name,
			Version: d.version, Status: string(d.status), Document: string(d.document), Layout: string(layout), Revision: d.revision,
			CreatedAt: database.MicrosOf(d.createdAt), UpdatedAt: database.MicrosOf(d.updatedAt),
		}
		past[i] = pastRow{definitions[i], database.MicrosOf(now)}
		if e.before != nil && e.before.version == d.version {
			continue
		}
		action, changes, err := e.history()
		if err != nil {
			return err
		}
		versions = append(versions, versionRow{
			DefinitionID: d.id, Version: d.version, Action: action, Changes: changes, Document: string(d.document),
			Revision: d.revision, At: database.MicrosOf(d.updatedAt),
		})
	}
	if err := tx.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, UpdateAll: true}).CreateInBatches(definitions, batch).Error; err != nil {
		return err
	}
	if err := tx.CreateInBatches(past, batch).Error; err != nil {
		return err
	}
	if len(versions) > 0 {
		if err := tx.CreateInBatches(versions, batch).Error; err != nil {
			return err
		}
	}
	return tx.Model(&stateRow{}).Where("id = 1").Updates(stateRow{NextID: nextID, Clock: database.MicrosOf(now)}).Error
}

// history is what the table of versions says of the edit.
func (e *edit) history() (action, changes string, err error) {
	members := []MemberChange{}
	switch {
	case e.deleting:
		action = "deleted"
	case e.creating():
		action = "created"
	default:
		action = "changed"
		members = e.changes()
	}
	text, err := json.Marshal(members)
	return action, string(text), err
}

// Version is a definition as it was, and what made it so.
type Version struct {
	Version    int             `json:"version"`
	Action     string          `json:"action" enum:"created,changed,deleted"`
	ChangedAt  time.Time       `json:"changed_at"`
	Changes    []MemberChange  `json:"changes" doc:"Member by member; empty for the first version"`
	Definition json.RawMessage `json:"definition" doc:"The members as they were from this version on"`
}

// readVersions reads the versions of a definition below one, newest first.
func readVersions(ctx context.Context, db *gorm.DB, id int64, below, limit int) ([]Version, error) {
	var rows []versionRow
	err := db.WithContext(ctx).Where("definition_id = ? AND version < ?", id, below).Order("version DESC").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, unavailable(fmt.Errorf("read versions: %w", err))
	}
	versions := make([]Version, len(rows))
	for i, row := range rows {
		versions[i] = Version{
			Version:    row.Version,
			Action:     row.Action,
			ChangedAt:  row.At.Time(),
			Definition: json.RawMessage(row.Document),
		}
		if err := json.Unmarshal([]byte(row.Changes), &versions[i].Changes); err != nil {
			return nil, fmt.Errorf("read version %d of definition %d: %w", row.Version, id, err)
		}
	}
	return versions, nil
}

// unavailable makes a fault of an error that says that the database cannot be used just now.
func unavailable(err error) error {
	if database.Busy(err) || database.Unavailable(err) {
		detail := "the registry's database cannot be used just now; try again"
		if database.Full(err) {
			detail = "the disk of the registry's database is full: nothing was changed; make room on it, then try again"
		}
		busy := fault.New(fault.Busy, "registry-unavailable", "%s", detail).Because(err)
		busy.RetryAfter = 2
		return busy
	}
	return err
}
