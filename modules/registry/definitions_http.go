package registry

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/httpapi"
)

// Calls are those that the definitions of another module's kind have, as services have them; T is what answers show of one.
type Calls[T any] struct {
	Kind string // its name: "rule"
	Path string // "/rules"
	Tag  string // of the API's document
	Doc  string // what a person should know who defines one

	Show   func(c *Catalog, d *Definition) T
	OwnGet bool // the module mounts GET of one itself, since it shows more than definitions
}

// DefinitionRoutes mounts the calls, but for the list: POST, and of one GET, PUT, DELETE and its versions. The role that the path belongs to
// serves them.
func DefinitionRoutes[T any](api huma.API, r *Registry, calls Calls[T]) {
	kind, word := r.kind(calls.Kind), Named{Kind: calls.Kind}.word()
	show := func(c *Catalog, name string) (int, any) {
		d, ok := c.Definition(kind.Name, name)
		if !ok {
			return 0, nil
		}
		return d.Version, calls.Show(c, d)
	}
	one := calls.Path + "/{name}"
	httpapi.Register(api, documented[T](api, operation(http.MethodPost, calls.Path, "post-"+calls.Kind, calls.Tag,
		"Register or change a "+word, "Members that the body leaves out stay as they are; null clears one. "+calls.Doc), true), r.post(kind, show))
	if !calls.OwnGet {
		httpapi.Register(api, reading[T](api, operation(http.MethodGet, one, "get-"+calls.Kind, calls.Tag, "Read a "+word, "")), r.get(kind, show))
	}
	httpapi.Register(api, documented[T](api, operation(http.MethodPut, one, "put-"+calls.Kind, calls.Tag,
		"Replace the definition of a "+word, calls.Doc), true), r.put(kind, show))
	httpapi.Register(api, operation(http.MethodDelete, one, "delete-"+calls.Kind, calls.Tag, "Delete a "+word,
		"What something uses is refused with 409."), r.remove(kind))
	httpapi.Register(api, operation(http.MethodGet, one+"/versions", "list-"+calls.Kind+"-versions", calls.Tag,
		"Read what changed, and when", ""), r.versions(kind))
}
