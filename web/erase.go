package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// erasing is what erasing an entity would delete.
type erasing struct {
	entity `json:"-"`
	Rows   int64 `json:"rows"`
	Groups []struct {
		Group string `json:"group"`
		Rows  int64  `json:"rows"`
	} `json:"groups"`
}

func (e erasing) pageTitle() string { return "Erase " + e.Type + " " + e.Label() }

// erasing asks what would be deleted, which changes nothing.
func (w *Web) erasing(r *http.Request) (any, error) {
	e, err := w.asksFor(r)
	if err != nil {
		return nil, err
	}
	found := erasing{entity: e}
	_, err = w.api.call(r.Context(), http.MethodDelete, e.at("store"), url.Values{"dry_run": {"true"}}, nil, &found)
	return found, err
}

// erased are the values of the join keys that a form names by a segment of a path, each as it is written there, with its name if there are several.
func erased(form url.Values) []string {
	parts := strings.Split(form.Get("entity"), ",")
	for i, part := range parts {
		if text, err := url.PathUnescape(part); err == nil {
			parts[i] = text
		}
	}
	return parts
}

// erase deletes an entity, once its id was typed. What the form says of the entity is written anew, so that it stays one segment of a path.
func erase() action {
	made := starting("Erase", func(form url.Values) (string, string, url.Values, any) {
		parts := erased(form)
		for i, text := range parts {
			parts[i] = url.PathEscape(text)
		}
		return http.MethodDelete, path("store", form.Get("entity_type")) + "/" + strings.Join(parts, ","), nil, nil
	}, "It is entered into the ledger of erasures, and run %d deletes it everywhere.")
	made.wrong = unconfirmed
	return made
}

// unconfirmed says that the id was not typed; nil: it was. How many spaces there are between words is of no account, since a page does not show it.
func unconfirmed(form url.Values) *problem {
	wanted := strings.Join(erased(form), ", ")
	if slices.Equal(strings.Fields(form.Get("confirm")), strings.Fields(wanted)) {
		return nil
	}
	return &problem{Title: "Not confirmed", Status: http.StatusUnprocessableEntity, Detail: "Nothing was erased: type " + shorten(wanted) + " to confirm."}
}
