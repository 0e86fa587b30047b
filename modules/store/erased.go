package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"slices"
	"strconv"
	"sync"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// entityText is an entity's join keys as the ledger hashes them, whatever their types: of each in turn the length of its text, 2 bytes
// big-endian, and the text.
func entityText(key Key) string {
	var b []byte
	for _, v := range key.Values {
		at := len(b)
		b = value.AppendText(append(b, 0, 0), v)
		binary.BigEndian.PutUint16(b[at:], uint16(len(b)-at-2))
	}
	return string(b)
}

var errEntityText = errors.New("the ledger names an entity by other join keys than its entity type has")

// entityOf is the inverse.
func entityFrom(entityType *registry.EntityType, text string) (Key, error) {
	values := make([]value.Value, len(entityType.JoinKeys))
	for i, k := range entityType.JoinKeys {
		if len(text) < 2 || len(text)-2 < int(text[0])<<8|int(text[1]) {
			return Key{}, errEntityText
		}
		n := int(text[0])<<8 | int(text[1])
		part := text[2 : 2+n]
		text = text[2+n:]
		values[i] = value.OfString(part)
		if k.ValueType == value.Integer {
			number, err := strconv.ParseInt(part, 10, 64)
			if err != nil {
				return Key{}, errEntityText
			}
			values[i] = value.OfInt(number)
		}
	}
	if text != "" {
		return Key{}, errEntityText
	}
	return NewKey(values), nil
}

// hashes makes the hashes of entities, under one secret or several. It is for one goroutine.
type hashes map[[32]byte]hash.Hash

func (h hashes) of(secret [32]byte, entity string) (sum [32]byte) {
	mac, ok := h[secret]
	if !ok {
		mac = hmac.New(sha256.New, secret[:])
		h[secret] = mac
	}
	mac.Reset()
	mac.Write([]byte(entity)) //nolint:errcheck // a hash takes everything
	mac.Sum(sum[:0])
	return sum
}

// ledger is what this process knows of the erased entities.
type ledger struct {
	reading sync.Mutex // held by one that reads the offline store's ledger

	mu      sync.RWMutex
	version int64
	types   map[int64]map[[32]byte]map[[32]byte]int64 // cut-offs by entity type, secret and hash
	secret  [32]byte                                  // of the newest entry; zero: there is none
}

// knows tells whether any entity of a type was erased.
func (l *ledger) knows(entityType *registry.EntityType) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.types[entityType.ID] != nil
}

// cutOff is up to when nothing of an entity is stored. l.mu must be held.
func (l *ledger) cutOff(entityType *registry.EntityType, key Key, h hashes) (at int64, erased bool) {
	secrets := l.types[entityType.ID]
	if secrets == nil {
		return 0, false
	}
	text := entityText(key)
	for secret, entities := range secrets {
		if cutOff, ok := entities[h.of(secret, text)]; ok && (!erased || cutOff > at) {
			at, erased = cutOff, true
		}
	}
	return at, erased
}

// learn takes entries in.
func (l *ledger) learn(entries []Erasure, version int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range entries {
		if l.types == nil {
			l.types = map[int64]map[[32]byte]map[[32]byte]int64{}
		}
		if l.types[e.EntityType] == nil {
			l.types[e.EntityType] = map[[32]byte]map[[32]byte]int64{}
		}
		if l.types[e.EntityType][e.Secret] == nil {
			l.types[e.EntityType][e.Secret] = map[[32]byte]int64{}
		}
		entities := l.types[e.EntityType][e.Secret]
		if cutOff, ok := entities[e.Hash]; !ok || cutOff < e.CutOff {
			entities[e.Hash] = e.CutOff
		}
		l.secret = e.Secret
	}
	l.version = max(l.version, version)
}

// ledgerPage is how many entries are read at once.
const ledgerPage = 10_000

// readLedger learns the entries that are new.
func (s *Store) readLedger(ctx context.Context) error {
	s.ledger.reading.Lock()
	defer s.ledger.reading.Unlock()
	s.ledger.mu.RLock()
	after := s.ledger.version
	s.ledger.mu.RUnlock()
	for {
		page, err := s.offline.Erasures(ctx, ErasureRange{After: after, Limit: ledgerPage})
		if err != nil {
			return unavailable("read the ledger of erased entities", err)
		}
		if len(page) == 0 {
			return nil
		}
		after = page[len(page)-1].Number
		s.ledger.learn(page, after)
	}
}

// sift tells which of the rows are of erased entities and dated up to their cut-offs; nil: none. It notes in the rows how far the ledger is
// known. Where rows have no time, now says what time they would be given.
func (s *Store) sift(rows *Rows, now func() (int64, error)) (erased []bool, err error) {
	s.ledger.mu.RLock()
	defer s.ledger.mu.RUnlock()
	rows.Checked = s.ledger.version
	entityType := rows.Group.EntityType
	if s.ledger.types[entityType.ID] == nil {
		return nil, nil
	}
	h, last := hashes{}, -1 // the last row that another entity's row follows
	var cutOff int64
	var listed bool
	for i, key := range rows.Keys {
		if last < 0 || rows.Keys[last].Encoded != key.Encoded {
			cutOff, listed = s.ledger.cutOff(entityType, key, h)
			last = i
		}
		if !listed {
			continue
		}
		at := rows.EventTimes[i]
		if at == value.NoTime {
			if at, err = now(); err != nil {
				return nil, err
			}
		}
		if at > cutOff {
			continue
		}
		if erased == nil {
			erased = make([]bool, len(rows.Keys))
		}
		erased[i] = true
	}
	return erased, nil
}

// offlineNow is the offline store's clock.
func (s *Store) offlineNow(ctx context.Context) (int64, error) {
	snapshot, err := s.offline.Snapshot(ctx)
	if err != nil {
		return 0, unavailable("ask the offline store's clock", err)
	}
	return snapshot.Now(), snapshot.Close()
}

// without are the rows but for some; nil: but for none.
func (r *Rows) without(some []bool) *Rows {
	if some == nil {
		return r
	}
	kept := &Rows{Group: r.Group, Features: r.Features, Run: r.Run, Checked: r.Checked}
	for i := range r.Keys {
		if !some[i] {
			appendRow(kept, r, i)
		}
	}
	return kept
}

// sift finds the observations of erased entities.
func (c *checked) sift(ctx context.Context, s *Store) error {
	for i, start := range c.starts[:len(c.starts)-1] {
		for _, rows := range c.rows[start:c.starts[i+1]] {
			erased, err := s.sift(rows, func() (int64, error) { return s.offlineNow(ctx) })
			if err != nil {
				return err
			}
			if erased != nil && (c.erased == nil || !c.erased[i]) {
				if c.erased == nil {
					c.erased = make([]bool, len(c.starts)-1)
				}
				c.erased[i] = true
				c.erasures++
			}
		}
	}
	return nil
}

// kept are the rows that are to be stored.
func (c *checked) kept() []*Rows {
	if c.erased == nil && c.out == nil {
		return c.rows
	}
	var kept []*Rows
	for i, start := range c.starts[:len(c.starts)-1] {
		for at := start; at < c.starts[i+1]; at++ {
			if (c.erased == nil || !c.erased[i]) && (c.out == nil || !c.out[at]) {
				kept = append(kept, c.rows[at])
			}
		}
	}
	return kept
}

// checkAgain looks at the writes of a group commit once more, after entities were erased. Those that hold rows of such are given back to
// their callers (ErrUnchecked), the others are answered.
func (s *Store) checkAgain(ctx context.Context, group []*write) ([]*write, error) {
	if err := s.readLedger(ctx); err != nil {
		return nil, err
	}
	untimed := func() (int64, error) { return value.NoTime, nil }
	return slices.DeleteFunc(group, func(w *write) bool {
		erased, err := s.siftEntries(w.entries, untimed)
		for i := 0; i < len(w.rows) && erased == nil && err == nil; i++ {
			erased, err = s.sift(w.rows[i], untimed)
		}
		if erased != nil || err != nil {
			w.err = ErrUnchecked
			s.letGo(w)
			return true
		}
		return false
	}), nil
}
