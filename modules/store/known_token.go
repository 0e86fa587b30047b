package store

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// token is a moment as callers keep it: an opaque text for a URL. Its bytes, before base64, are
//
//	1 byte    1, the version of this form
//	8 bytes   of the SHA-256 of the offline store's identity
//	varints   the revision of the definitions, since, Head, and with a Head: how many spans are open, and of each how far it
//	          begins behind the end of the one before, or 0, and how long it is
//	4 bytes   CRC-32 of all before
type token struct {
	store    [8]byte
	revision int64
	since    int64 // µs
	rows     Known // its Time is since
}

const (
	tokenVersion = 1
	tokenBegin   = "A" // so base64 begins for this version, and no time does
	maxOpen      = 4096
	maxToken     = 64 << 10
)

var errEnds = errors.New("the token ends too early")

func storeHash(identity string) (hash [8]byte) {
	sum := sha256.Sum256([]byte(identity))
	copy(hash[:], sum[:])
	return hash
}

func (t token) text() string {
	b := append([]byte{tokenVersion}, t.store[:]...)
	b = binary.AppendUvarint(b, uint64(t.revision))
	b = binary.AppendVarint(b, t.since)
	b = binary.AppendUvarint(b, uint64(t.rows.Head))
	if t.rows.Head != 0 {
		b = binary.AppendUvarint(b, uint64(len(t.rows.Open)))
		end := int64(0)
		for _, span := range t.rows.Open {
			b = binary.AppendUvarint(b, uint64(span.First-end))
			b = binary.AppendUvarint(b, uint64(span.Last-span.First))
			end = span.Last
		}
	}
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)))
}

// readToken reads a token; false if the text is none. Only what text makes is one.
func readToken(text string) (t token, ok bool) {
	if len(text) > maxToken {
		return t, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 16 || b[0] != tokenVersion {
		return t, false
	}
	body := b[1+copy(t.store[:], b[1:]) : len(b)-4]
	number := func() int64 {
		v, n := binary.Uvarint(body)
		if n <= 0 || v >= 1<<63 {
			body, err = nil, errEnds
			return 0
		}
		body = body[n:]
		return int64(v)
	}
	t.revision = number()
	since, n := binary.Varint(body)
	if n <= 0 {
		return t, false
	}
	t.since, body = since, body[n:]
	if t.rows.Head = number(); t.rows.Head == 0 {
		t.rows.Time = t.since
	} else {
		end, spans := int64(0), number()
		for ; spans > 0 && err == nil; spans-- {
			first := end + number()
			end = first + number()
			t.rows.Open = append(t.rows.Open, Span{first, end})
		}
	}
	return t, err == nil && t.text() == text
}
