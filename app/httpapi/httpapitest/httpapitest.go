// Package httpapitest gives tests of a module an API to mount its routes on.
package httpapitest

import (
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"featurestore/app/httpapi"
)

// Serve mounts routes on an API of their own and answers requests to them as the program does, guard included: a request needs a
// Host that is loopback's, such as http://localhost/path has. What cannot be answered is logged to log.
func Serve(log *slog.Logger, routes ...func(huma.API)) http.Handler {
	api := httpapi.New(echo.New(), "test", log)
	for _, mount := range routes {
		mount(api)
	}
	handler, err := httpapi.Guard{RequestID: "test"}.Wrap(api)
	if err != nil {
		panic(err) // there is no origin that could be malformed
	}
	return handler
}
