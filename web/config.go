package web

import (
	"fmt"
	"net/url"
)

// Config is the module's part of the settings.
type Config struct {
	StoreAddress string // where callers reach the calls of the role store, for the calls that pages show; "": where they reach the page
}

// Validate names everything that is wrong.
func (c Config) Validate() []error {
	if c.StoreAddress == "" {
		return nil
	}
	u, err := url.Parse(c.StoreAddress)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return []error{fmt.Errorf("web.store_address is %q: write scheme, host and port, without a slash behind, such as http://localhost:8001", c.StoreAddress)}
	}
	return nil
}
