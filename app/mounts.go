package app

import (
	"log/slog"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"featurestore/app/httpapi"
	"featurestore/config"
)

// mounts is what modules mount their calls on: the API of the listeners, which has the calls of this process's roles, and the one that the admin
// page calls, which has those of all roles, since a page shows what every one of them knows. What a call only asks for, a run, is done by a process
// with the role.
type mounts struct {
	config *config.Config
	public huma.API
	page   huma.API // public, where that has all roles; nil: there is no page
}

func newMounts(c *config.Config, public huma.API, log *slog.Logger, options []httpapi.Option) *mounts {
	m := &mounts{config: c, public: public}
	if !c.Has(config.Web) {
		return m
	}
	m.page = public
	for _, role := range config.Roles {
		if !c.Has(role) {
			whole := httpapi.Elsewhere(func(string) string { return "" })
			m.page = httpapi.New(echo.New(), ThisVersion().Version, log, append(options[:len(options):len(options)], whole)...)
			break
		}
	}
	return m
}

// serves tells whether calls of a role are mounted anywhere.
func (m *mounts) serves(role string) bool { return m.page != nil || m.config.Has(role) }

// of mounts the calls of a role.
func (m *mounts) of(role string, calls ...func(huma.API)) {
	if m.config.Has(role) {
		mount(m.public, calls)
	}
	if m.page != nil && m.page != m.public {
		mount(m.page, calls)
	}
}

// everywhere mounts calls that every process serves.
func (m *mounts) everywhere(calls ...func(huma.API)) {
	mount(m.public, calls)
	if m.page != nil && m.page != m.public {
		mount(m.page, calls)
	}
}

func mount(api huma.API, calls []func(huma.API)) {
	for _, call := range calls {
		call(api)
	}
}
