package alerts

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mailSink is a real mail server: SMTP with EHLO, STARTTLS, AUTH, and what it is told to do otherwise.
type mailSink struct {
	net.Listener
	identity *tls.Config
	roots    *x509.CertPool

	implicit bool              // TLS from the start
	offers   []string          // extensions; STARTTLS is left out once it is used
	refuses  map[string]string // command in upper case, with its argument or without → answer, instead of the usual one
	cutAt    string            // the command at which the connection is cut

	serving  sync.WaitGroup
	mu       sync.Mutex // until the end
	mails    []mailGot
	commands []string // that came over connections without TLS
	logins   []string
}

// mailGot is one message.
type mailGot struct {
	from   string
	to     []string
	header textproto.MIMEHeader
	text   string // as it came
	secure bool
}

func newMailSink(t testing.TB, change ...func(*mailSink)) *mailSink {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &mailSink{Listener: listener, offers: []string{"STARTTLS", "AUTH PLAIN LOGIN", "8BITMIME"}, refuses: map[string]string{}}
	s.identity, s.roots = identity(t)
	for _, f := range change {
		f(s)
	}
	s.serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.serving.Go(func() {
				defer conn.Close()
				s.serve(conn)
			})
		}
	})
	t.Cleanup(s.end)
	return s
}

// end ends the server; what it got can be read then.
func (s *mailSink) end() {
	s.Close()
	s.serving.Wait()
}

// identity makes a certificate for 127.0.0.1, and the roots that trust it.
func identity(t testing.TB) (*tls.Config, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, roots
}

func (s *mailSink) serve(conn net.Conn) {
	secure := s.implicit
	if secure {
		conn = tls.Server(conn, s.identity)
	}
	in := bufio.NewReader(conn)
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	say("220 sink ESMTP")
	var mail mailGot
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, rest, _ := strings.Cut(line, " ")
		verb = strings.ToUpper(verb)
		if !secure {
			s.note(func() { s.commands = append(s.commands, verb) })
		}
		if s.cutAt == verb {
			return
		}
		if answer := s.refuses[line]; answer != "" {
			say("%s", answer)
			continue
		}
		if answer := s.refuses[verb]; answer != "" {
			say("%s", answer)
			continue
		}
		switch verb {
		case "EHLO":
			lines := []string{"sink"}
			for _, o := range s.offers {
				if o != "STARTTLS" || !secure {
					lines = append(lines, o)
				}
			}
			for _, l := range lines[:len(lines)-1] {
				say("250-%s", l)
			}
			say("250 %s", lines[len(lines)-1])
		case "STARTTLS":
			say("220 go ahead")
			conn = tls.Server(conn, s.identity)
			in, secure = bufio.NewReader(conn), true
		case "AUTH":
			s.login(rest, in, say)
		case "MAIL":
			mail = mailGot{from: between(rest), secure: secure}
			say("250 ok")
		case "RCPT":
			mail.to = append(mail.to, between(rest))
			say("250 ok")
		case "DATA":
			say("354 go on")
			text, err := io.ReadAll(textproto.NewReader(in).DotReader())
			if err != nil || s.cutAt == "." {
				return
			}
			if answer := s.refuses["."]; answer != "" {
				say("%s", answer)
				continue
			}
			mail.text = string(text)
			mail.header, err = textproto.NewReader(bufio.NewReader(strings.NewReader(mail.text))).ReadMIMEHeader()
			if err != nil {
				say("554 no header")
				continue
			}
			s.note(func() { s.mails = append(s.mails, mail) })
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("502 what?")
		}
	}
}

func (s *mailSink) note(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// login takes AUTH PLAIN with its words and AUTH LOGIN by questions.
func (s *mailSink) login(rest string, in *bufio.Reader, say func(string, ...any)) {
	way, given, _ := strings.Cut(rest, " ")
	decode := func(text string) string {
		decoded, err := base64.StdEncoding.DecodeString(strings.TrimRight(text, "\r\n"))
		if err != nil {
			return "?"
		}
		return string(decoded)
	}
	login := decode(given)
	if way == "LOGIN" {
		login = ""
		for _, question := range []string{"Username:", "Password:"} {
			say("334 %s", base64.StdEncoding.EncodeToString([]byte(question)))
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			login += "\x00" + decode(line)
		}
	}
	s.note(func() { s.logins = append(s.logins, way+strings.ReplaceAll(login, "\x00", " ")) })
	if !strings.HasSuffix(login, "\x00hidden1") {
		say("535 wrong password, not %s", login)
		return
	}
	say("235 welcome")
}

// between is the address of MAIL FROM:<a> BODY=….
func between(text string) string {
	_, text, _ = strings.Cut(text, "<")
	address, _, _ := strings.Cut(text, ">")
	return address
}
