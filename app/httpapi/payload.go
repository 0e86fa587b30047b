package httpapi

import (
	"errors"
	"io"
	"mime"
	"net"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/fault"
)

// Payload is a request body that the handler reads itself: as a stream of any length, or whole with Bytes. Embed it in an input.
// A body that stops arriving for a minute is given up.
type Payload struct {
	ContentType     string // lower case, without parameters; "" if none was given or curl's default for -d, which says nothing
	Charset         string // the content type's, lower case; "" if it names none
	ContentEncoding string // lower case: "gzip"; "" if none

	ctx    huma.Context
	body   io.Reader
	length int64 // -1: unknown
}

var payloadType = reflect.TypeFor[interface{ isPayload() }]()

func (p *Payload) isPayload() {}

// Resolve is called by huma with each request.
func (p *Payload) Resolve(ctx huma.Context) []error {
	p.ctx = ctx
	p.body = ctx.BodyReader()
	p.length = -1
	if c, ok := ctx.(*requestContext); ok {
		p.length = c.echo.Request().ContentLength
	}
	p.ContentType, p.Charset = mediaType(ctx.Header("Content-Type"))
	p.ContentEncoding = strings.ToLower(strings.TrimSpace(ctx.Header("Content-Encoding")))
	return nil
}

func mediaType(header string) (name, charset string) {
	switch header {
	case "", "application/json": // the usual ones, without work
		return header, ""
	}
	if parsed, parameters, err := mime.ParseMediaType(header); err == nil {
		header, charset = parsed, strings.ToLower(parameters["charset"])
	}
	if header == "application/x-www-form-urlencoded" {
		return "", ""
	}
	return strings.ToLower(header), charset
}

// Read reads on in the body. A body that breaks off is a fault.
func (p *Payload) Read(into []byte) (int, error) {
	p.ctx.SetReadDeadline(time.Now().Add(readTimeout)) //nolint:errcheck // not every connection has deadlines
	n, err := p.body.Read(into)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		p.ctx.SetReadDeadline(time.Time{}) //nolint:errcheck // see above
	default:
		err = bodyFault(err)
	}
	return n, err
}

func bodyFault(err error) error {
	var network net.Error
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &network) && network.Timeout() {
		return fault.New(fault.Invalid, "body-too-slow", "the body stopped arriving").At("body", "", "stopped arriving").Because(err)
	}
	return fault.New(fault.Invalid, "body-broken-off", "the body ended before it was complete").At("body", "", "is incomplete").Because(err)
}

// Bytes reads the whole body, of at most limit bytes: more is a fault of kind TooLarge.
func (p *Payload) Bytes(limit int64) ([]byte, error) {
	tooLarge := fault.New(fault.TooLarge, "body-too-large", "the body is larger than %d bytes", limit).At("body", "", "is too large")
	if p.length > limit {
		return nil, tooLarge
	}
	if p.length >= 0 {
		all := make([]byte, p.length)
		if _, err := io.ReadFull(p, all); err != nil && p.length > 0 {
			if _, ok := fault.As(err); ok {
				return nil, err
			}
			return nil, bodyFault(err)
		}
		return all, nil
	}
	all, err := io.ReadAll(io.LimitReader(p, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(all)) > limit {
		return nil, tooLarge
	}
	return all, nil
}

// JSON reads a body that is one JSON text, whatever its content type is called as long as that does not say another format. One of more than
// limit bytes is a fault of kind TooLarge.
func (p *Payload) JSON(limit int64) (string, error) {
	switch t := p.ContentType; {
	case t == "", strings.HasSuffix(t, "json"), t == "text/plain", t == "application/octet-stream":
	default:
		return "", fault.New(fault.Unsupported, "unsupported-content-type", "the content type %q is not read here: send application/json", fault.Shorten(t)).
			At("header.Content-Type", t, "is not JSON")
	}
	if p.ContentEncoding != "" && p.ContentEncoding != "identity" {
		return "", fault.New(fault.Unsupported, "unsupported-content-encoding", "the content encoding %q is not read here: send the JSON as it is", fault.Shorten(p.ContentEncoding)).
			At("header.Content-Encoding", p.ContentEncoding, "is not read here")
	}
	raw, err := p.Bytes(limit)
	if err != nil {
		return "", err
	}
	if len(raw) == 0 {
		return "", fault.New(fault.Invalid, "empty-body", "this call needs a body").At("body", "", "is empty")
	}
	return string(raw), nil
}
