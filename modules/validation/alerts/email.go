package alerts

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
)

// email sends by SMTP: TLS from the start with smtps://, else by STARTTLS, which the server must offer unless the address ends in
// ?starttls=optional. A name and password never go over a connection without TLS. A try succeeds if the server takes the message
// for at least one addressee; the others are named in the code's error, which then is none of the delivery.
func (s *sender) email(ctx context.Context, u *url.URL, secret string, to Receiver, delivery *Delivery) (int, error) {
	optional := u.Query().Get("starttls") == "optional"
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = map[string]string{"smtp": "587", "smtps": "465"}[u.Scheme]
	}
	conn, err := s.targets.dial(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // it is being given up
	defer stop()
	settings := s.tlsFor(host)
	secure := u.Scheme == "smtps"
	if secure {
		conn = tls.Client(conn, settings)
	}
	client, err := smtp.NewClient(conn, host)
	if err != nil {
		return smtpCode(err)
	}
	defer client.Close()
	if err := client.Hello("featurestore"); err != nil {
		return smtpCode(err)
	}
	if offered, _ := client.Extension("STARTTLS"); offered && !secure {
		if err := client.StartTLS(settings); err != nil {
			return smtpCode(fmt.Errorf("STARTTLS: %w", err))
		}
		secure = true
	}
	if !secure && !optional {
		return 0, &finalError{errors.New("the mail server offers no STARTTLS: use smtps://, or end the address in ?starttls=optional to send unencrypted")}
	}
	if u.User != nil {
		if !secure {
			return 0, &finalError{errors.New("the mail server offers no TLS, and a password is not sent without")}
		}
		password, given := u.User.Password()
		if !given {
			password = secret
		}
		if err := authenticate(client, u.User.Username(), password); err != nil {
			return smtpCode(err)
		}
	}
	return s.hand(client, mailFrom(s.config.EmailFrom, u), to, delivery)
}

func (s *sender) tlsFor(host string) *tls.Config {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.tls != nil {
		settings = s.tls.Clone()
	}
	settings.ServerName = host
	return settings
}

// mailFrom is who e-mails come from: as config says, or the mail server's user if that is an address, or one at the server's host.
func mailFrom(configured string, u *url.URL) *mail.Address {
	for _, text := range []string{configured, u.User.Username()} {
		if address, err := mail.ParseAddress(text); err == nil {
			return address
		}
	}
	return &mail.Address{Address: "featurestore@" + u.Hostname()}
}

// hand gives the message to the server.
func (s *sender) hand(client *smtp.Client, from *mail.Address, to Receiver, delivery *Delivery) (int, error) {
	if err := client.Mail(from.Address); err != nil {
		return smtpCode(err)
	}
	var refusal error
	var taken []string
	for _, address := range to.To {
		if err := client.Rcpt(address); err != nil {
			refusal = fmt.Errorf("%s: %w", address, err)
			if code, _ := smtpCode(err); code == 0 { // the connection is broken
				return 0, err
			}
			continue
		}
		taken = append(taken, address)
	}
	if len(taken) == 0 {
		return smtpCode(refusal)
	}
	data, err := client.Data()
	if err != nil {
		return smtpCode(err)
	}
	if _, err := data.Write(s.mailText(from, to, delivery, time.Now())); err != nil {
		return smtpCode(err)
	}
	if err := data.Close(); err != nil {
		return smtpCode(err)
	}
	client.Quit() //nolint:errcheck // it has the message
	if refusal != nil {
		return 250, &partError{refusal}
	}
	return 250, nil
}

// partError says that a message was taken, but not for all addressees.
type partError struct{ error }

// smtpCode is the status of an error of SMTP with what follows from it: 5xx will be said again.
func smtpCode(err error) (int, error) {
	var answer *textproto.Error
	if !errors.As(err, &answer) {
		return 0, err
	}
	if answer.Code >= 500 {
		return answer.Code, &finalError{err}
	}
	return answer.Code, err
}

// mailText is the message with its header. Nothing in it that came from elsewhere can end a line of the header.
func (s *sender) mailText(from *mail.Address, to Receiver, delivery *Delivery, now time.Time) []byte {
	var b bytes.Buffer
	header := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	header("From", from.String())
	header("To", strings.Join(to.To, ",\r\n "))
	header("Subject", mime.QEncoding.Encode("utf-8", oneLine(delivery.Message.title())))
	header("Date", now.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	domain := from.Address[strings.LastIndexByte(from.Address, '@')+1:]
	header("Message-ID", "<"+delivery.Key+"@"+domain+">")
	header(DeliveryHeader, delivery.Key)
	header("Auto-Submitted", "auto-generated")
	header("MIME-Version", "1.0")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	text := quotedprintable.NewWriter(&b)
	for i := range delivery.Message.Items {
		item := &delivery.Message.Items[i]
		for _, line := range item.lines() {
			fmt.Fprintf(text, "%s\r\n", oneLine(line))
		}
		if link := s.config.link(item.Alert); link != "" {
			fmt.Fprintf(text, "%s\r\n", link)
		}
		fmt.Fprint(text, "\r\n")
	}
	fmt.Fprintf(text, "Notification %s\r\n", delivery.Key)
	text.Close() //nolint:errcheck // a buffer takes everything
	return b.Bytes()
}

// oneLine makes blanks of what ends a line or steers a terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
}

// authenticate logs in by the way that the server offers: PLAIN, or LOGIN, which some servers have alone.
func authenticate(client *smtp.Client, user, password string) error {
	_, offered := client.Extension("AUTH")
	ways := strings.Fields(strings.ToUpper(offered))
	switch {
	case slices.Contains(ways, "PLAIN"):
		return client.Auth(plainAuth{user, password})
	case slices.Contains(ways, "LOGIN"):
		return client.Auth(&loginAuth{user, password})
	}
	return &finalError{errors.New("the mail server offers neither AUTH PLAIN nor AUTH LOGIN")}
}

// plainAuth is RFC 4616. The caller has seen to TLS.
type plainAuth struct{ user, password string }

func (a plainAuth) Start(*smtp.ServerInfo) (string, []byte, error) {
	return "PLAIN", []byte("\x00" + a.user + "\x00" + a.password), nil
}

func (a plainAuth) Next(_ []byte, more bool) ([]byte, error) {
	if more {
		return nil, errors.New("the mail server asks for more than a name and a password")
	}
	return nil, nil
}

// loginAuth answers the two questions of AUTH LOGIN.
type loginAuth struct{ user, password string }

func (a *loginAuth) Start(*smtp.ServerInfo) (string, []byte, error) { return "LOGIN", nil, nil }

func (a *loginAuth) Next(question []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	switch strings.ToLower(strings.TrimSpace(string(question))) {
	case "username:", "user name":
		return []byte(a.user), nil
	case "password:":
		return []byte(a.password), nil
	}
	return nil, errors.New("the mail server asks for something else than a name and a password")
}
