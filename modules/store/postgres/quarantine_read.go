package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// ListQuarantined is one statement.
func (o *Offline) ListQuarantined(ctx context.Context, of store.QuarantineFilter) (found []*store.Quarantined, err error) {
	groups, ids := map[int64]*registry.Group{}, make([]int64, len(of.Groups))
	for i, g := range of.Groups {
		groups[g.ID], ids[i] = g, g.ID
	}
	where, parameters := "group_id = ANY ($1)", []any{ids}
	condition := func(text string, parameter any) {
		parameters = append(parameters, parameter)
		where += fmt.Sprintf(" AND "+text, len(parameters))
	}
	if of.IDs != nil {
		condition("id = ANY ($%d)", of.IDs)
	}
	if of.Rule != "" {
		condition("strpos(rules, $%d) > 0", "\n"+of.Rule+"\n")
	}
	if of.Run != 0 {
		condition("run_id = $%d AND run_id <> 0", of.Run)
	}
	if of.State != "" {
		condition("state = $%d", string(of.State))
	}
	if of.Before != 0 {
		condition("number < $%d", of.Before)
	}
	order := " ORDER BY number DESC"
	if of.Limit > 0 {
		order += fmt.Sprintf(" LIMIT %d", of.Limit)
	}
	rows, err := o.writers.Query(ctx, "SELECT number, id, group_id, coalesce(entity, ''), event_time, at, way, run_id, file, row, rules, coalesce(broken, ''), coalesce(document, ''), state, version, ended FROM "+
		o.table("__quarantine")+" WHERE "+where+order, parameters...)
	if err != nil {
		return nil, fmt.Errorf("reading the quarantine: %w", err)
	}
	var e store.Quarantined
	var group int64
	var entity, document []byte
	var rules, broken, state string
	_, err = pgx.ForEachRow(rows, []any{&e.Number, &e.ID, &group, &entity, &e.EventTime, &e.At, &e.Source.Way, &e.Source.Run, &e.Source.File, &e.Source.Row,
		&rules, &broken, &document, &state, &e.Version, &e.Ended}, func() error {
		one := e
		one.Group, one.State = groups[group], store.QuarantineState(state)
		found = append(found, &one)
		var ok bool
		if one.Broken, err = store.DecodeBroken(rules, broken); err != nil || one.State != store.Waiting {
			return err
		}
		if one.Key, ok = store.DecodeKey(one.Group.EntityType, string(entity)); !ok {
			return fmt.Errorf("an entry of group %s names no entity", one.Group.Name)
		}
		one.Document, document = document, nil
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the quarantine: %w", err)
	}
	return found, nil
}

// CountQuarantined is one statement.
func (o *Offline) CountQuarantined(ctx context.Context) (map[int64]map[store.QuarantineState]int64, error) {
	rows, err := o.writers.Query(ctx, "SELECT group_id, state, count(*) FROM "+o.table("__quarantine")+" GROUP BY group_id, state UNION ALL SELECT group_id, state, entries FROM "+
		o.table("__quarantine_past"))
	if err != nil {
		return nil, fmt.Errorf("counting the quarantine: %w", err)
	}
	counts := map[int64]map[store.QuarantineState]int64{}
	var group, n int64
	var state string
	_, err = pgx.ForEachRow(rows, []any{&group, &state, &n}, func() error {
		if counts[group] == nil {
			counts[group] = map[store.QuarantineState]int64{}
		}
		counts[group][store.QuarantineState(state)] += n
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("counting the quarantine: %w", err)
	}
	return counts, nil
}
