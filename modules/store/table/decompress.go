package table

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"featurestore/app/fault"
)

const (
	ratioFrom  = 16 << 20 // bytes unpacked before the ratio counts
	zstdWindow = 32 << 20
)

// unpack finds out how a body is compressed, by the header or its first bytes, and unpacks it under the limits.
func unpack(body io.Reader, encoding string, limits Limits) (io.Reader, error) {
	head := make([]byte, 4)
	n, err := io.ReadFull(body, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	head = head[:n]
	body = io.MultiReader(bytes.NewReader(head), body)
	magic := ""
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		magic = "gzip"
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		magic = "zstd"
	}
	switch named := strings.ToLower(strings.TrimSpace(encoding)); named {
	case "", "identity":
	case "gzip", "x-gzip", "zstd":
		if named = strings.TrimPrefix(named, "x-"); named != magic {
			return nil, badPacking(named, nil)
		}
	default:
		return nil, fault.New(fault.Unsupported, "unsupported-content-encoding", "the content encoding %q is not known: use gzip, zstd or none", fault.Shorten(encoding)).
			At("header.Content-Encoding", encoding, "is not known")
	}
	packed := &counter{in: body}
	var unpacked io.Reader
	switch magic {
	case "gzip":
		unpacked, err = gzip.NewReader(packed)
	case "zstd":
		unpacked, err = zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
	default:
		return body, nil
	}
	if err != nil {
		return nil, packed.explain(magic, err)
	}
	return &guard{in: unpacked, packed: packed, magic: magic, limits: limits}, nil
}

func badPacking(encoding string, cause error) *fault.Error {
	return fault.New(fault.Invalid, "invalid-encoding", "the body cannot be unpacked: it is no valid %s, or it is cut off", encoding).At("body", "", "cannot be unpacked").Because(cause)
}

// counter counts the packed bytes and keeps the error that reading them ended with.
type counter struct {
	in   io.Reader
	read int64
	err  error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// explain tells a body that cannot be unpacked from one that could not be read.
func (c *counter) explain(magic string, err error) error {
	if c.err != nil {
		return c.err
	}
	return badPacking(magic, err)
}

// guard ends a body that unpacks to much more than can be meant well.
type guard struct {
	in     io.Reader
	packed *counter
	magic  string
	limits Limits
	read   int64
}

func (g *guard) Read(p []byte) (int, error) {
	n, err := g.in.Read(p)
	g.read += int64(n)
	switch {
	case g.read > g.limits.Expanded:
		return n, fault.New(fault.TooLarge, "body-too-large", "the body unpacks to more than %d bytes", g.limits.Expanded).At("body", "", "is too large")
	case g.read > ratioFrom && g.read/max(g.packed.read, 1) > g.limits.Ratio:
		return n, fault.New(fault.TooLarge, "body-too-large", "the body unpacks to more than %d times its size: send it less compressed", g.limits.Ratio).At("body", "", "is too large")
	case err != nil && !errors.Is(err, io.EOF):
		err = g.packed.explain(g.magic, err)
	}
	return n, err
}
