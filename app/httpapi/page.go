package httpapi

import (
	"strconv"

	"featurestore/app/fault"
)

// Page is how a part of a list is asked for whose entries have numbers of their own. Embed it in an input.
type Page struct {
	Limit     int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	PageToken string `query:"page_token" doc:"From next_page_token of the page before"`
}

// Last is the number that the page before ended with; 0: this is the first page.
func (p *Page) Last() (int64, error) {
	if p.PageToken == "" {
		return 0, nil
	}
	last, err := strconv.ParseInt(p.PageToken, 10, 64)
	if err != nil || last < 1 {
		return 0, InvalidPageToken(p.PageToken, "")
	}
	return last, nil
}

// CutPage takes the page out of what was found from its beginning on, which is one more than its limit at most; next is the token of the
// page after it, "" if this is the last.
func CutPage[T any](p *Page, found []T, number func(T) int64) (list []T, next string) {
	if len(found) <= p.Limit {
		return found, ""
	}
	found = found[:p.Limit]
	return found, PageToken(number(found[p.Limit-1]))
}

// PageToken is the token of the page after one that ends with that number.
func PageToken(last int64) string { return strconv.FormatInt(last, 10) }

// InvalidPageToken is the fault of a token that the list has not made; with says what else must be as for the page before.
func InvalidPageToken(token, with string) error {
	return fault.New(fault.Invalid, "invalid-page-token", "the page token was not made by this call").
		At("query.page_token", token, "pass next_page_token of the page before as it is%s", with)
}
