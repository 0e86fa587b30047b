package alerts

import (
	"fmt"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Config is this part's settings.
type Config struct {
	RepeatInterval  time.Duration // how often receivers are told again of an alert that goes on firing
	GroupWait       time.Duration // how long the first thing to tell of a group and run waits for others
	For             int           // how many bad evaluations in a row open an alert, where the rule does not say
	ResolveAfter    int           // how many good ones in a row resolve it, where the rule does not say
	Poll            time.Duration // how often a process looks for what is to be told and sent
	Timeout         time.Duration // of one try to reach a receiver
	Keep            time.Duration // how long resolved alerts, ended silences and finished deliveries are kept
	ExternalAddress string        // where people reach the admin page, for links; "": messages have none
	EmailFrom       string        // the sender of e-mails; "": the user of the mail server, or featurestore@ and its host
	AllowedTargets  []string      // host names and CIDRs that receivers may have although they are not public
	SecretsFolder   string        // where url_file and secret_file are looked for, unless they begin with /
}

// DefaultConfig holds what config/default.yaml explains.
func DefaultConfig() Config {
	return Config{
		RepeatInterval: 24 * time.Hour, GroupWait: 30 * time.Second, For: 1, ResolveAfter: 1,
		Poll: time.Second, Timeout: 10 * time.Second, Keep: 90 * 24 * time.Hour,
		AllowedTargets: []string{}, SecretsFolder: "./secrets",
	}
}

const maxTimeout = 30 * time.Second

// hostForm is what a host name may look like; a name that is all digits and dots is a mistaken address.
var hostForm = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$`)

// Validate names everything that is wrong.
func (c Config) Validate() []error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(c.RepeatInterval < time.Minute, "alerts.repeat_interval is %s: use at least 1m", c.RepeatInterval)
	wrong(c.GroupWait < 0 || c.GroupWait > time.Hour, "alerts.group_wait is %s: use 0s to 1h", c.GroupWait)
	wrong(c.For < 1 || c.For > maxInARow, "alerts.for is %d: use 1 to %d", c.For, maxInARow)
	wrong(c.ResolveAfter < 1 || c.ResolveAfter > maxInARow, "alerts.resolve_after is %d: use 1 to %d", c.ResolveAfter, maxInARow)
	wrong(c.Poll < 10*time.Millisecond || c.Poll > time.Minute, "alerts.poll is %s: use 10ms to 1m", c.Poll)
	wrong(c.Timeout < 100*time.Millisecond || c.Timeout > maxTimeout, "alerts.timeout is %s: use 100ms to %s", c.Timeout, maxTimeout)
	wrong(c.Keep < time.Hour, "alerts.keep is %s: use at least 1h", c.Keep)
	if c.ExternalAddress != "" {
		u, err := url.Parse(c.ExternalAddress)
		wrong(err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "",
			"alerts.external_address is %q: write it as https://features.example.org", c.ExternalAddress)
	}
	if c.EmailFrom != "" {
		_, err := mail.ParseAddress(c.EmailFrom)
		wrong(err != nil, "alerts.email_from is %q: write it as features@example.org, or Features <features@example.org>", c.EmailFrom)
	}
	wrong(c.SecretsFolder == "", "alerts.secrets_folder is empty: name a folder")
	if _, err := newTargets(c.AllowedTargets); err != nil {
		errs = append(errs, err)
	}
	return errs
}

// newTargets reads alerts.allowed_targets.
func newTargets(allowed []string) (*targets, error) {
	t := &targets{names: map[string]bool{}}
	for _, entry := range allowed {
		if prefix, err := netip.ParsePrefix(entry); err == nil {
			t.prefixes = append(t.prefixes, prefix.Masked())
			continue
		}
		if address, err := netip.ParseAddr(entry); err == nil && address.Zone() == "" {
			t.prefixes = append(t.prefixes, netip.PrefixFrom(address, address.BitLen()))
			continue
		}
		name := hostName(entry)
		if !hostForm.MatchString(name) || strings.Trim(name, "0123456789.") == "" {
			return nil, fmt.Errorf("alerts.allowed_targets: %q is no host name, address or CIDR: write it as alertmanager.monitoring.svc, 10.1.2.3 or 10.0.0.0/8", entry)
		}
		t.names[name] = true
	}
	return t, nil
}

// hostName is a name as it is compared: names have no case, and may end in a dot.
func hostName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
