package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// ListQuarantined reads in a snapshot of this moment.
func (o *Offline) ListQuarantined(ctx context.Context, of store.QuarantineFilter) (found []*store.Quarantined, err error) {
	err = o.inSnapshot(ctx, func(c *conn) error {
		found, err = listEntries(ctx, c, of)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the quarantine: %w", err)
	}
	return found, nil
}

func (o *Offline) inSnapshot(ctx context.Context, read func(*conn) error) error {
	opened, err := o.Snapshot(ctx)
	if err != nil {
		return err
	}
	return errors.Join(read(opened.(*snapshot).conn), opened.Close())
}

func listEntries(ctx context.Context, c *conn, of store.QuarantineFilter) (found []*store.Quarantined, err error) {
	if len(of.Groups) == 0 || of.IDs != nil && len(of.IDs) == 0 {
		return nil, nil
	}
	groups, ids := map[int64]*registry.Group{}, make([]string, len(of.Groups))
	for i, g := range of.Groups {
		groups[g.ID], ids[i] = g, strconv.FormatInt(g.ID, 10)
	}
	hidden, err := hiddenEntries(c, "q.")
	if err != nil {
		return nil, err
	}
	where, args := "q.group_id IN (SELECT value FROM json_each(?))", []driver.Value{"[" + strings.Join(ids, ",") + "]"}
	if len(of.Groups) == 1 {
		where, args = "q.group_id = +?", []driver.Value{of.Groups[0].ID}
	}
	condition := func(text string, arg driver.Value) { where, args = where+text, append(args, arg) }
	if of.IDs != nil {
		list, err := json.Marshal(of.IDs)
		if err != nil {
			return nil, err
		}
		condition(" AND q.id IN (SELECT value FROM json_each(?))", string(list))
	}
	if of.Rule != "" {
		condition(" AND instr(q.rules, ?) > 0", "\n"+of.Rule+"\n")
	}
	if of.Run != 0 {
		condition(" AND q.run_id = +? AND q.run_id <> 0", of.Run)
	}
	if of.State != "" {
		condition(" AND q.state = +?", string(of.State))
	}
	if of.Before != 0 {
		condition(" AND q.number < ?", of.Before)
	}
	limit := int64(-1)
	if of.Limit > 0 {
		limit = int64(of.Limit)
	}
	statement, err := c.prepare("SELECT q.number, q.id, q.group_id, q.entity, q.event_time, q.at, q.way, q.run_id, q.file, q.row, q.rules, q.broken, q.document, q.state, q.version, q.ended " +
		"FROM __quarantine AS q WHERE " + where + hidden + " ORDER BY q.number DESC LIMIT +?")
	if err != nil {
		return nil, err
	}
	dest := make([]driver.Value, 16)
	err = statement.with(append(args, limit)...).each(ctx, dest, func() error {
		e, err := entryOf(groups[integer(dest[2])], dest)
		found = append(found, e)
		return err
	})
	return found, err
}

func entryOf(group *registry.Group, columns []driver.Value) (*store.Quarantined, error) {
	e := &store.Quarantined{
		Number: integer(columns[0]), ID: text(columns[1]), Group: group, EventTime: integer(columns[4]), At: integer(columns[5]),
		Source: store.Source{Way: text(columns[6]), Run: integer(columns[7]), File: text(columns[8]), Row: integer(columns[9])},
		State:  store.QuarantineState(text(columns[13])), Version: int(integer(columns[14])), Ended: integer(columns[15]),
	}
	var err error
	if e.Broken, err = store.DecodeBroken(text(columns[10]), text(columns[11])); err != nil || e.State != store.Waiting {
		return e, err
	}
	key, ok := store.DecodeKey(group.EntityType, string(bytesIn(columns[3])))
	if !ok {
		return nil, fmt.Errorf("an entry of group %s names no entity", group.Name)
	}
	e.Key, e.Document = key, []byte(text(columns[12]))
	return e, nil
}

// CountQuarantined reads an index.
func (o *Offline) CountQuarantined(ctx context.Context) (map[int64]map[store.QuarantineState]int64, error) {
	counts, dest := map[int64]map[store.QuarantineState]int64{}, make([]driver.Value, 3)
	err := o.inSnapshot(ctx, func(c *conn) error {
		hidden, err := hiddenEntries(c, "")
		if err != nil {
			return err
		}
		return c.each(dest, func() error {
			group, state := integer(dest[0]), store.QuarantineState(text(dest[1]))
			if counts[group] == nil {
				counts[group] = map[store.QuarantineState]int64{}
			}
			counts[group][state] += integer(dest[2])
			return nil
		}, "SELECT group_id, state, count(*) FROM __quarantine WHERE true"+hidden+" GROUP BY group_id, state UNION ALL SELECT group_id, state, entries FROM __quarantine_past")
	})
	if err != nil {
		return nil, fmt.Errorf("counting the quarantine: %w", err)
	}
	return counts, nil
}
