package main

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/redis/rueidis"
)

// The limit of a read is a bare handler that fetches as many bytes by key and writes as many bytes of JSON.

// rowBytes is about what one packed row of ten floats takes.
const rowBytes = 137

// fetcher gets the rows of some keys, in one round trip where there is one.
type fetcher func(ctx context.Context, keys []string) ([]string, error)

func limitKey(group int, entity string) string { return "limit:" + strconv.Itoa(group) + ":" + entity }

// limitRow is ten floats and a time, filled up.
func limitRow(entity int) string {
	row := make([]byte, rowBytes)
	for i := range 10 {
		binary.LittleEndian.PutUint64(row[8*i:], math.Float64bits(number(entity, i)))
	}
	return string(row)
}

// number is the value of a feature of an entity in all of the measurements: money-like, with two decimals.
func number(entity, feature int) float64 {
	return float64((entity*7919+feature*104729)%1_000_000) / 100
}

func redisFetcher(ctx context.Context, url string, entities int) (fetcher, rueidis.Client, error) {
	options, err := rueidis.ParseURL(url)
	if err != nil {
		return nil, nil, err
	}
	options.DisableCache = true
	client, err := rueidis.NewClient(options)
	if err != nil {
		return nil, nil, err
	}
	for group := range groupsRead {
		var commands rueidis.Commands
		for entity := range entities {
			commands = append(commands, client.B().Set().Key(limitKey(group, strconv.Itoa(entity))).Value(limitRow(entity)).Build())
		}
		for _, result := range client.DoMulti(ctx, commands...) {
			if err := result.Error(); err != nil {
				return nil, nil, err
			}
		}
	}
	return func(ctx context.Context, keys []string) ([]string, error) {
		return client.Do(ctx, client.B().Mget().Key(keys...).Build()).AsStrSlice()
	}, client, nil
}

func sqliteFetcher(path string, entities int) (fetcher, *sql.DB, error) {
	db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL&_synchronous=NORMAL")
	if err != nil {
		return nil, nil, err
	}
	if _, err := db.Exec(`CREATE TABLE rows (k TEXT PRIMARY KEY, v TEXT NOT NULL)`); err != nil {
		return nil, nil, err
	}
	tx, err := db.Begin()
	if err != nil {
		return nil, nil, err
	}
	for group := range groupsRead {
		for entity := range entities {
			if _, err := tx.Exec(`INSERT INTO rows VALUES (?, ?)`, limitKey(group, strconv.Itoa(entity)), limitRow(entity)); err != nil {
				return nil, nil, err
			}
		}
	}
	if err := tx.Commit(); err != nil {
		return nil, nil, err
	}
	get, err := db.Prepare(`SELECT v FROM rows WHERE k = ?`)
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context, keys []string) ([]string, error) {
		rows := make([]string, len(keys))
		for i, key := range keys {
			if err := get.QueryRowContext(ctx, key).Scan(&rows[i]); err != nil {
				return nil, err
			}
		}
		return rows, nil
	}, db, nil
}

// limitReads mounts the bare handlers: bytes10 and bytes50 are how many bytes of JSON our answers have.
func limitReads(e *echo.Echo, fetch fetcher, bytes10, bytes50 int) {
	answer10, answer50 := []byte(`"`+strings.Repeat("x", bytes10-2)+`"`), []byte(`"`+strings.Repeat("x", bytes50-2)+`"`)
	e.GET("/one/:entity", func(c echo.Context) error {
		rows, err := fetch(c.Request().Context(), []string{limitKey(0, c.Param("entity"))})
		if err != nil || len(rows[0]) != rowBytes {
			return fmt.Errorf("%w or %d bytes", err, len(rows[0]))
		}
		return whole(c, answer10)
	})
	e.GET("/five/:entity", func(c echo.Context) error {
		keys := make([]string, groupsRead)
		for group := range keys {
			keys[group] = limitKey(group, c.Param("entity"))
		}
		if _, err := fetch(c.Request().Context(), keys); err != nil {
			return err
		}
		return whole(c, answer50)
	})
	e.POST("/hundred", func(c echo.Context) error { return limitHundred(c, fetch) })
}

// limitHundred reads ids from a body like ours, fetches all rows at once and writes the same numbers, statuses and times.
func limitHundred(c echo.Context, fetch fetcher) error {
	body, err := io.ReadAll(c.Request().Body)
	if err != nil {
		return err
	}
	text := string(body)
	open := strings.IndexByte(text, '[')
	ids := strings.Split(text[open+1:strings.IndexByte(text, ']')], ",")
	keys := make([]string, 0, groupsRead*len(ids))
	for group := range groupsRead {
		for _, id := range ids {
			keys = append(keys, limitKey(group, strings.Trim(id, `" `)))
		}
	}
	rows, err := fetch(c.Request().Context(), keys)
	if err != nil {
		return err
	}
	out := make([]byte, 0, 1<<17)
	out = append(out, `{"entity_ids":[`...)
	out = append(out, text[open+1:strings.IndexByte(text, ']')]...)
	out = append(out, `],"features":{`...)
	each := func(put func(row string, feature int)) {
		for group := range groupsRead {
			for feature := range 10 {
				out = fmt.Appendf(out, `"group_%d:f%d":[`, group, feature)
				for i := range ids {
					put(rows[group*len(ids)+i], feature)
					out = append(out, ',')
				}
				out[len(out)-1] = ']'
				out = append(out, ',')
			}
		}
		out[len(out)-1] = '}'
	}
	each(func(row string, feature int) {
		bits := binary.LittleEndian.Uint64([]byte(row[8*feature : 8*feature+8]))
		out = strconv.AppendFloat(out, math.Float64frombits(bits), 'f', -1, 64)
	})
	out = append(out, `,"statuses":{`...)
	each(func(string, int) { out = append(out, `"PRESENT"`...) })
	out = append(out, `,"event_times":{`...)
	each(func(string, int) { out = append(out, `"2026-01-01T00:00:00Z"`...) })
	out = append(out, '}')
	return whole(c, out)
}

// whole writes an answer whose length it says, as ours do.
func whole(c echo.Context, answer []byte) error {
	c.Response().Header().Set(echo.HeaderContentLength, strconv.Itoa(len(answer)))
	return c.Blob(http.StatusOK, "application/json", answer)
}
