package app

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
	"github.com/swaggest/swgui/v5/static"
)

// docsPage shows /openapi.json with Swagger UI, of which everything comes from this program.
const docsPage = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>featurestore API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`

const docsScript = `SwaggerUIBundle({
	url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null, defaultModelsExpandDepth: 0,
	presets: [SwaggerUIBundle.presets.apis],
});
`

// docsPolicy allows the page what it needs and nothing from elsewhere.
const docsPolicy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// mountDocs mounts the API's description and a page that shows it. Neither costs anything before it is asked for.
func mountDocs(e *echo.Echo, api huma.API) {
	document := sync.OnceValues(func() ([]byte, error) { return json.Marshal(api.OpenAPI()) })
	e.GET("/openapi.json", func(c echo.Context) error {
		text, err := document()
		if err != nil {
			return err
		}
		return c.Blob(http.StatusOK, "application/json", text)
	})
	page := func(c echo.Context) error {
		c.Response().Header().Set("Content-Security-Policy", docsPolicy)
		return c.HTML(http.StatusOK, docsPage)
	}
	e.GET("/docs", page)
	e.GET("/docs/", page)
	e.GET("/docs/:file", serveDocsFile)
}

func serveDocsFile(c echo.Context) error {
	name := c.Param("file")
	kind := mime.TypeByExtension(path.Ext(name))
	header := c.Response().Header()
	header.Set("Cache-Control", "max-age=86400")
	header.Set("X-Content-Type-Options", "nosniff")
	if name == "start.js" {
		return c.Blob(http.StatusOK, kind, []byte(docsScript))
	}
	if plain, err := static.FS.Open(name); err == nil {
		defer plain.Close()
		return c.Stream(http.StatusOK, kind, plain)
	}
	packed, err := static.FS.Open(name + ".gz")
	if err != nil {
		return echo.ErrNotFound
	}
	defer packed.Close()
	if strings.Contains(c.Request().Header.Get("Accept-Encoding"), "gzip") {
		header.Set("Content-Encoding", "gzip")
		return c.Stream(http.StatusOK, kind, packed)
	}
	reader, err := gzip.NewReader(packed)
	if err != nil {
		return err
	}
	return c.Stream(http.StatusOK, kind, io.Reader(reader))
}
