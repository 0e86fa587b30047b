package app

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"featurestore/config"
	"featurestore/web"
)

// mountWeb mounts the admin page, which calls the API's own routes in this process.
func mountWeb(e *echo.Echo, api huma.API, c *config.Config, log *slog.Logger) error {
	handler, ok := api.Adapter().(http.Handler)
	if !ok {
		return fmt.Errorf("the API's adapter, %T, cannot be called", api.Adapter())
	}
	pages, err := web.New(c.Web, handler, may(c.ReadOnly), time.Now, log)
	if err != nil {
		return err
	}
	serve := echo.WrapHandler(pages.Handler())
	e.Any("/admin", serve)
	e.Any("/admin/*", serve)
	return nil
}

// may tells what can be done on the admin page: everything, by everybody who reaches a listener, unless the process only reads.
func may(readOnly bool) web.May {
	return func(string) string {
		if readOnly {
			return "This process only reads: nothing can be changed or started here. Do it in another one."
		}
		return ""
	}
}

// mountHome sends browsers to the admin page, if there is one, and all others to the docs.
func mountHome(e *echo.Echo, admin bool) {
	e.GET("/", func(c echo.Context) error {
		to := "/docs"
		if admin && strings.Contains(c.Request().Header.Get("Accept"), "text/html") {
			to = "/admin/"
		}
		return c.Redirect(http.StatusFound, to)
	})
}
