package config

import (
	"net/url"
	"regexp"
	"strings"
)

// Secret is a URL or connection string that may hold a password. It prints with the password masked.
type Secret string

// Reveal is the secret itself.
func (s Secret) Reveal() string { return string(s) }

const mask = "***"

// passwordWords are those of a connection string, whose value may be quoted or have single characters escaped.
var passwordWords = regexp.MustCompile(`(?is)(password\s*=\s*)('(?:[^'\\]|\\.)*(?:'|$)|(?:[^\s\\]|\\.)*)`)

// String is the secret without its password; what cannot be understood is masked whole.
func (s Secret) String() string {
	text := string(s)
	if text == "" {
		return ""
	}
	if !strings.Contains(text, "://") {
		if passwordWords.MatchString(text) {
			return passwordWords.ReplaceAllString(text, "${1}"+mask)
		}
		return mask
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" && u.User != nil || strings.Contains(behindHost(u), "@") {
		return mask
	}
	credentials := ""
	if u.User != nil {
		credentials = u.User.Username()
		if _, has := u.User.Password(); has {
			credentials += ":" + mask
		} else if !strings.HasPrefix(u.Scheme, "postgres") { // Redis has users, but people write its password alone
			credentials = mask
		}
		credentials += "@"
		u.User = nil
	}
	u.RawQuery = maskedQuery(u.RawQuery)
	rest := u.String()[len(u.Scheme)+len("://"):]
	return u.Scheme + "://" + credentials + rest
}

// maskedQuery masks the values of parameters whose names speak of a password, however they are written.
func maskedQuery(query string) string {
	parameters := strings.Split(query, "&")
	for i, parameter := range parameters {
		name, _, _ := strings.Cut(parameter, "=")
		if plain, err := url.QueryUnescape(name); err != nil || strings.Contains(strings.ToLower(plain), "password") {
			parameters[i] = name + "=" + mask
		}
	}
	return strings.Join(parameters, "&")
}

// behindHost is the path, the query and the fragment as they were written.
func behindHost(u *url.URL) string { return u.EscapedPath() + u.RawQuery + u.EscapedFragment() }

// misread tells whether a URL has its password taken for host, path, query or fragment, since a /, ? or # in it is not escaped: then the @
// before the host stands behind it.
func (s Secret) misread() bool {
	u, err := url.Parse(string(s))
	if err != nil || u.Host == "" {
		return false
	}
	if u.User == nil {
		return strings.Contains(behindHost(u), "@")
	}
	return strings.Contains(u.EscapedPath()+u.EscapedFragment(), "@")
}

// MarshalText keeps the password out of logs and documents.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
