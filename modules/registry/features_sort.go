package registry

import (
	"cmp"
	"slices"
	"strings"

	"featurestore/app/httpapi"
)

// featureOrders are the ways to order a list of features; of what is alike, the order of references.
var featureOrders = map[string]func(a, b *Feature) int{
	"name":    func(a, b *Feature) int { return cmp.Compare(a.Name, b.Name) },
	"group":   func(a, b *Feature) int { return cmp.Compare(a.Group.Name, b.Group.Name) },
	"type":    func(a, b *Feature) int { return cmp.Compare(a.ValueType.String(), b.ValueType.String()) },
	"status":  func(a, b *Feature) int { return cmp.Compare(a.Status, b.Status) },
	"owner":   func(a, b *Feature) int { return cmp.Compare(strings.ToLower(a.Owner), strings.ToLower(b.Owner)) },
	"updated": func(a, b *Feature) int { return b.UpdatedAt.Compare(a.UpdatedAt) },
}

// sorted orders features and cuts out a page, whose token names the last feature before it.
func sorted(features []*Feature, by string, in *httpapi.Page) (found []*Feature, next string, err error) {
	last, err := in.Last()
	if err != nil {
		return nil, "", err
	}
	order := featureOrders[by]
	slices.SortFunc(features, func(a, b *Feature) int { return cmp.Or(order(a, b), cmp.Compare(a.Reference(), b.Reference())) })
	from := 0
	if last != 0 {
		if from = slices.IndexFunc(features, func(f *Feature) bool { return f.ID == last }) + 1; from == 0 {
			return nil, "", httpapi.InvalidPageToken(in.PageToken, ", with the same filters: the feature that it names is not among them any more")
		}
	}
	features = features[from:]
	if len(features) > in.Limit {
		return features[:in.Limit], httpapi.PageToken(features[in.Limit-1].ID), nil
	}
	return features, "", nil
}
