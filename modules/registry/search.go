package registry

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"featurestore/app/httpapi"
)

// How well a feature meets a search: by the part of it that says the word, the best first.
const (
	isName       = iota // its name, a short or a former one, or its reference
	beginsName          // which begins with the word
	holdsName           // which holds it
	holdsTag            // a tag holds it
	holdsText           // the description holds it
	holdsTheRest        // owner, source or category hold it
	holdsNothing
)

// match is a feature that meets a search. Matches are in the order of rank, then of reference.
type match struct {
	rank      int
	reference string
	feature   *Feature
}

func (m match) compare(n match) int {
	return cmp.Or(cmp.Compare(m.rank, n.rank), cmp.Compare(m.reference, n.reference))
}

// rankOf is how well a feature meets all of the words, which are in lower case: as well as the word that it meets worst.
func (c *Catalog) rankOf(f *Feature, words []string) int {
	names := slices.Concat([]string{f.Name, f.Reference()}, c.ShortNames(f), f.Aliases)
	tags := strings.ToLower(strings.Join(f.Tags, "\n"))
	text := strings.ToLower(f.Description)
	rest := strings.ToLower(f.Owner + "\n" + f.Source + "\n" + f.Category)
	worst := isName
	for _, word := range words {
		worst = max(worst, rankOfWord(word, names, tags, text, rest))
	}
	return worst
}

func rankOfWord(word string, names []string, tags, text, rest string) int {
	best := holdsNothing
	for _, name := range names {
		switch {
		case name == word:
			return isName
		case strings.HasPrefix(name, word):
			best = min(best, beginsName)
		case strings.Contains(name, word):
			best = min(best, holdsName)
		}
	}
	switch {
	case best < holdsNothing:
		return best
	case strings.Contains(tags, word):
		return holdsTag
	case strings.Contains(text, word):
		return holdsText
	case strings.Contains(rest, word):
		return holdsTheRest
	}
	return holdsNothing
}

// search orders features by how well they meet the words, leaves out those that do not, and cuts out a page.
func (c *Catalog) search(features []*Feature, words []string, in *httpapi.Page) (found []*Feature, total int, next string, err error) {
	after := match{rank: -1}
	if in.PageToken != "" {
		if after, err = readMatch(in.PageToken); err != nil {
			return nil, 0, "", err
		}
	}
	var matches []match
	for _, f := range features {
		if rank := c.rankOf(f, words); rank < holdsNothing {
			matches = append(matches, match{rank, f.Reference(), f})
		}
	}
	slices.SortFunc(matches, match.compare)
	for _, m := range matches {
		if m.compare(after) <= 0 {
			continue
		}
		if len(found) == in.Limit {
			return found, len(matches), next, nil
		}
		found, next = append(found, m.feature), m.token()
	}
	return found, len(matches), "", nil
}

// token is the page token of a page that ends with the match.
func (m match) token() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", m.rank, m.reference))
}

func readMatch(token string) (m match, err error) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		_, err = fmt.Sscanf(string(text), "%d %s", &m.rank, &m.reference)
	}
	if err != nil || m.rank < isName || m.rank >= holdsNothing || m.token() != token {
		return match{}, httpapi.InvalidPageToken(token, ", with the same search")
	}
	return m, nil
}
