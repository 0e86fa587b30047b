package web

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
)

// listOf reads a list of the API to its end, whose entries stand in a member of that name.
func listOf[T any](ctx context.Context, api client, at, member string, query url.Values) ([]T, error) {
	query = maps.Clone(query)
	if query == nil {
		query = url.Values{}
	}
	query.Set("limit", "1000")
	var all []T
	for {
		var page map[string]json.RawMessage
		if err := api.get(ctx, at, query, &page); err != nil {
			return nil, err
		}
		var some []T
		if err := json.Unmarshal(page[member], &some); err != nil {
			return nil, fmt.Errorf("read the %s of GET %s: %w", member, at, err)
		}
		if all == nil {
			all = some
		} else {
			all = append(all, some...)
		}
		if page["next_page_token"] == nil {
			return all, nil
		}
		var next string
		if err := json.Unmarshal(page["next_page_token"], &next); err != nil {
			return nil, fmt.Errorf("read the page token of GET %s: %w", at, err)
		}
		query.Set("page_token", next)
	}
}
