package config

import (
	"net/url"
	"regexp"
)

// Secret is a URL or connection string that may hold a password. It prints with the password masked.
type Secret string

// Reveal is the secret itself.
func (s Secret) Reveal() string { return string(s) }

const mask = "***"

var passwordWords = regexp.MustCompile(`(?i)(password\s*=\s*)('[^']*'|[^\s&]+)`)

// String is the secret without its password; what cannot be understood is masked whole.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	u, err := url.Parse(string(s))
	if err != nil {
		return mask
	}
	if u.Scheme == "" || u.Host == "" {
		if passwordWords.MatchString(string(s)) {
			return passwordWords.ReplaceAllString(string(s), "${1}"+mask)
		}
		return mask
	}
	credentials := ""
	if u.User != nil {
		credentials = u.User.Username()
		if _, has := u.User.Password(); has {
			credentials += ":" + mask
		}
		credentials += "@"
		u.User = nil
	}
	u.RawQuery = passwordWords.ReplaceAllString(u.RawQuery, "${1}"+mask)
	rest := u.String()[len(u.Scheme)+len("://"):]
	return u.Scheme + "://" + credentials + rest
}

// MarshalText keeps the password out of logs and documents.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
