package httpapi

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/fault"
)

const (
	keyHeader      = "Idempotency-Key"
	replayedHeader = "Idempotency-Replayed"
	maxKey         = 255 // characters
)

// Idempotent declares the header of operations that take a key. Embed it in an input beside a Payload, whose Keyed reads it.
type Idempotent struct {
	IdempotencyKey string `header:"Idempotency-Key" doc:"Names this request, in 1 to 255 printable ASCII characters, a UUID for example: sent again with the same key, it is not done again but its first answer is replayed. 409: it is still under way; 422: the key was used for another request. What was refused or failed is not remembered" example:"8e03978e-40d5-43dd-bc93-6894a57f9324"`
}

// Replays documents an answer that may be a replay.
func Replays(answers map[string]*huma.Response) map[string]*huma.Response {
	for _, answer := range answers {
		answer.Headers = map[string]*huma.Param{replayedHeader: {
			Description: "true: this is the first answer to a request that was sent before with the same Idempotency-Key",
			Schema:      &huma.Schema{Type: huma.TypeString, Enum: []any{"true"}},
		}}
	}
	return answers
}

// Keyed is a request that came with a key. The body must be written to it, before its fingerprint is asked for.
type Keyed struct {
	Key  [32]byte // the SHA-256 of the key
	hash hash.Hash
}

// Keyed is the request as its key names it, nil if it has none. A key that is none is a fault.
func (p *Payload) Keyed() (*Keyed, error) {
	c, ok := p.ctx.(*requestContext)
	if !ok {
		return nil, nil
	}
	request := c.echo.Request()
	given := request.Header[keyHeader]
	if len(given) == 0 {
		return nil, nil
	}
	if len(given) > 1 || !isKey(given[0]) {
		return nil, fault.New(fault.Invalid, "invalid-idempotency-key", "the Idempotency-Key cannot be used: give one, of 1 to %d printable ASCII characters", maxKey).
			At("header."+keyHeader, given[0], "is no key")
	}
	k := &Keyed{Key: sha256.Sum256([]byte(given[0])), hash: sha256.New()}
	// The key comes first, so that nobody can guess from a fingerprint what was sent.
	for _, part := range []string{given[0], request.Method, request.URL.EscapedPath(), request.URL.RawQuery} {
		io.WriteString(k, part) //nolint:errcheck // a hash takes everything
		k.hash.Write([]byte{0})
	}
	return k, nil
}

func isKey(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return text != "" && len(text) <= maxKey
}

// Write takes the body, or the next part of it.
func (k *Keyed) Write(b []byte) (int, error) { return k.hash.Write(b) }

// Fingerprint tells the request, with what has come of its body, from others.
func (k *Keyed) Fingerprint() (sum [32]byte) {
	k.hash.Sum(sum[:0])
	return sum
}

// Replayed says of the answer that it was given before.
func (p *Payload) Replayed() { p.ctx.SetHeader(replayedHeader, "true") }

// Marshal writes JSON as answers are written.
func Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	err := jsonFormat.Marshal(&b, v)
	return b.Bytes(), err
}
