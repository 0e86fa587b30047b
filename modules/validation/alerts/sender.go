package alerts

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// sender reaches receivers.
type sender struct {
	config  Config
	targets *targets
	client  *http.Client
	tls     *tls.Config // of mail servers; nil: the system's roots
}

func newSender(config Config, targets *targets) *sender {
	return &sender{
		config: config, targets: targets,
		client: &http.Client{
			// Each try makes a connection of its own, whose address is judged; no proxy, which would make it in our place.
			Transport: &http.Transport{
				DialContext: targets.dial, DisableKeepAlives: true, Proxy: nil,
				TLSHandshakeTimeout: maxTimeout, ResponseHeaderTimeout: maxTimeout, MaxResponseHeaderBytes: 64 << 10,
			},
			// A redirect leads where nobody said that it may, and would repeat a POST as a GET.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// send tries once. The code is the status that the receiver answered, 0 if it did not. An error shows nothing that is secret.
func (s *sender) send(ctx context.Context, to Receiver, delivery *Delivery) (int, error) {
	address, err := s.config.secret("address", to.URLFile, to.URLEnv)
	if err != nil {
		return 0, err
	}
	secret, err := s.config.secret("secret", to.SecretFile, to.SecretEnv)
	if err != nil {
		return 0, err
	}
	address = strings.TrimSpace(address)
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Opaque != "" { // whose text could hold a password
		return 0, &finalError{errors.New("the address cannot be understood: write it as " + form(to.Kind))}
	}
	hide := concealer(append(credentials(u, secret), secret, address, u.RequestURI(), u.Path, u.RawQuery)...)
	var code int
	switch {
	case to.Kind == Email && (u.Scheme == "smtp" || u.Scheme == "smtps"):
		code, err = s.email(ctx, u, secret, to, delivery)
	case to.Kind != Email && (u.Scheme == "https" || u.Scheme == "http"):
		code, err = s.post(ctx, u, secret, to, delivery)
	default:
		return 0, &finalError{fmt.Errorf("the address is not of the kind %s: write it as %s", to.Kind, form(to.Kind))}
	}
	return code, conceal(err, hide)
}

// credentials are the user and password of an address in all forms in which an answer could repeat them.
func credentials(u *url.URL, secret string) []string {
	if u.User == nil {
		return nil
	}
	password, given := u.User.Password()
	if !given {
		password = secret
	}
	return []string{
		u.User.String(), u.User.Username() + ":" + password, password, base64.StdEncoding.EncodeToString([]byte(password)),
		base64.StdEncoding.EncodeToString([]byte("\x00" + u.User.Username() + "\x00" + password)),
	}
}

// form is how the address of a kind of receiver is written.
func form(kind string) string {
	if kind == Email {
		return "smtp://user:password@host:587, or smtps:// for TLS from the start"
	}
	return "https://host/path"
}

// concealer makes a function that takes secrets out of a text, and what does not belong on one line of it.
func concealer(secrets ...string) func(string) string {
	var pairs []string
	for _, secret := range secrets {
		if len(secret) > 3 {
			pairs = append(pairs, secret, "***")
		}
	}
	replacer := strings.NewReplacer(pairs...)
	return func(text string) string {
		text = replacer.Replace(text)
		return strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, strings.ToValidUTF8(text, "�"))
	}
}

// conceal makes the sentence of an error one that may be shown, and keeps what follows from it.
func conceal(err error, hide func(string) string) error {
	if err == nil {
		return nil
	}
	var final *finalError
	var busy *retryError
	var part *partError
	var wrapped *url.Error
	text := err
	if errors.As(err, &wrapped) { // it names the address
		text = wrapped.Err
	}
	sentence := hide(text.Error())
	if runes := []rune(sentence); len(runes) > 500 {
		sentence = string(runes[:499]) + "…"
	}
	shown := errors.New(sentence)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		shown = errors.New("it did not answer in time: " + sentence)
	} else if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		shown = errors.New("it closed the connection before it had answered: " + sentence)
	}
	switch {
	case errors.As(err, &final):
		return &finalError{shown}
	case errors.As(err, &busy):
		return &retryError{shown, busy.after}
	case errors.As(err, &part):
		return &partError{shown}
	}
	return shown
}

// testMessage is what "send test" tells.
func testMessage(receiver string, now time.Time) Message {
	return Message{Test: true, Items: []Item{{
		Event: EventNew, Rule: "test", Group: "test", Class: Data, Severity: Info, Status: Failed, Since: now,
		Sentence: "This is a test of the receiver " + receiver + ": nothing is wrong.",
		Observed: "this message", Expected: "this message",
	}}}
}
