package alerts

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The headers of a webhook's request.
const (
	SignatureHeader = "X-Featurestore-Signature" // t=<seconds since 1970>,v1=<HMAC-SHA256 in hex>; absent without a secret
	DeliveryHeader  = "X-Featurestore-Delivery"  // the delivery's key, as notificationId in the body
)

// Sign makes the signature header of a body: t is the time of the try in seconds since 1970, v1 the HMAC-SHA256, in lower-case hex, of
// that number as text, a full stop and the body, under the secret as it stands in its file without the line's end.
func Sign(secret string, body []byte, at time.Time) string {
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(mac(secret, at.Unix(), body)))
}

// Verify is what a receiver does: it checks the header of a request against its body, byte for byte as it came, and refuses one
// whose time is farther from now than tolerance, so that a request that somebody recorded cannot be sent again later.
func Verify(secret, header string, body []byte, now time.Time, tolerance time.Duration) error {
	var at int64
	var signature []byte
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(part, "=")
		var err error
		switch name {
		case "t":
			at, err = strconv.ParseInt(value, 10, 64)
		case "v1":
			signature, err = hex.DecodeString(value)
		}
		if err != nil {
			return errors.New("the signature cannot be read")
		}
	}
	if now.Sub(time.Unix(at, 0)).Abs() > tolerance {
		return errors.New("the signature is too old, or of the future")
	}
	if !hmac.Equal(signature, mac(secret, at, body)) {
		return errors.New("the signature is not that of this body")
	}
	return nil
}

func mac(secret string, at int64, body []byte) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(m, "%d.", at)
	m.Write(body)
	return m.Sum(nil)
}
