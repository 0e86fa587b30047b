package redis

import (
	"context"
	"fmt"

	"github.com/redis/rueidis"

	"featurestore/modules/store"
)

// readKeys is how many keys one command reads: few enough that the server is not held up.
const readKeys = 4000

// Read asks for markers and rows in one command; where that would be very long in several, sent together, each with all markers. After
// a new connection it also asks whether the server is another one.
func (o *Online) Read(ctx context.Context, questions []store.Question) ([][]string, []bool, error) {
	rows, marked := make([][]string, len(questions)), make([]bool, len(questions))
	for i := range marked {
		marked[i] = true
	}
	if len(questions) == 0 {
		return rows, marked, nil
	}
	names := o.names(questions)
	markers, names := names[:len(questions):len(questions)], names[len(questions):]
	var values []string
	if len(names) <= readKeys {
		all, err := o.client.Do(ctx, o.client.B().Mget().Key(markers...).Key(names...).Build()).AsStrSlice()
		if err != nil {
			return nil, nil, fmt.Errorf("reading from Redis: %w", err)
		}
		values = compare(questions, all, marked)
	} else {
		commands := make(rueidis.Commands, 0, len(names)/readKeys+1)
		for from := 0; from < len(names); from += readKeys {
			commands = append(commands, o.client.B().Mget().Key(markers...).Key(names[from:min(from+readKeys, len(names))]...).Build())
		}
		values = make([]string, 0, len(names))
		for _, result := range o.client.DoMulti(ctx, commands...) {
			all, err := result.AsStrSlice()
			if err != nil {
				return nil, nil, fmt.Errorf("reading from Redis: %w", err)
			}
			values = append(values, compare(questions, all, marked)...)
		}
	}
	for i := range questions {
		n := len(questions[i].Keys)
		rows[i], values = values[:n:n], values[n:]
	}
	if err := o.unmark(ctx, questions, marked); err != nil {
		return nil, nil, err
	}
	return rows, marked, nil
}

// names are the keys of the questions' markers, then of their rows, cut out of one string.
func (o *Online) names(questions []store.Question) []string {
	total, size := 0, 0
	for i := range questions {
		keys := questions[i].Keys
		total += len(keys) + 1
		size += (len(keys) + 1) * (len(o.keys.prefix) + 24)
		for j := range keys {
			size += len(keys[j].Encoded)
		}
	}
	b, ends := make([]byte, 0, size), make([]int, 0, total)
	for i := range questions {
		b = o.keys.appendMarker(b, questions[i].Group)
		ends = append(ends, len(b))
	}
	for i := range questions {
		group, rows := len(b), 0
		for j, key := range questions[i].Keys {
			if j == 0 {
				b = o.keys.appendRows(b, questions[i].Group)
				rows = len(b)
			} else {
				b = append(b, b[group:rows]...)
			}
			b = append(b, key.Encoded...)
			ends = append(ends, len(b))
		}
	}
	names := make([]string, 0, total)
	text, from := string(b), 0
	for _, end := range ends {
		names, from = append(names, text[from:end]), end
	}
	return names
}

// compare takes the markers off an answer and unmarks the questions whose marker is another.
func compare(questions []store.Question, answer []string, marked []bool) (rows []string) {
	for i := range questions {
		marked[i] = marked[i] && answer[i] == questions[i].Marker
	}
	return answer[len(questions):]
}
