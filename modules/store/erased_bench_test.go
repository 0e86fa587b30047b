package store

import (
	"fmt"
	"testing"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// BenchmarkSift checks rows of 1,000 entities against ledgers of several sizes; the time is that of one row.
func BenchmarkSift(b *testing.B) {
	entityType := &registry.EntityType{About: registry.About{ID: 1}, JoinKeys: []registry.JoinKey{{Name: "id", ValueType: value.String}}}
	rows := &Rows{Group: &registry.Group{EntityType: entityType}}
	for i := range 1000 {
		rows.Keys = append(rows.Keys, NewKey([]value.Value{value.OfString(fmt.Sprint("customer-", i))}))
		rows.EventTimes = append(rows.EventTimes, int64(i))
	}
	for _, entries := range []int{0, 1, 100_000} {
		b.Run(fmt.Sprint(entries), func(b *testing.B) {
			s, secret := &Store{}, [32]byte{1}
			all, h := make([]Erasure, entries), hashes{}
			for i := range all {
				all[i] = Erasure{EntityType: 1, Secret: secret, Hash: h.of(secret, fmt.Sprint("someone-", i)), CutOff: 1}
			}
			s.ledger.learn(all, int64(entries))
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += len(rows.Keys) {
				if erased, err := s.sift(rows, nil); erased != nil || err != nil {
					b.Fatal(erased, err)
				}
			}
		})
	}
}
