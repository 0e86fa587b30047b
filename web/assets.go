package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
)

//go:embed static
var static embed.FS

// assets are the embedded files under names that change with what is in them, so that browsers may keep them for ever.
type assets struct {
	names map[string]string // file → hashed name
	files map[string]asset  // hashed name → what is sent
}

type asset struct {
	kind   string
	plain  []byte
	packed func() []byte // by gzip, once it is first asked for; nil: it is not worth it
}

// kinds are the media types of the files. The system's table, which may have others, is not asked: it takes half a MB for as long as the process lives.
var kinds = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8"}

func newAssets() (*assets, error) {
	a := &assets{names: map[string]string{}, files: map[string]asset{}}
	return a, fs.WalkDir(static, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := static.ReadFile(name)
		if err != nil {
			return err
		}
		file := strings.TrimPrefix(name, "static/")
		extension := filepath.Ext(file)
		sum := sha256.Sum256(text)
		hashed := strings.TrimSuffix(file, extension) + "." + hex.EncodeToString(sum[:6]) + extension
		a.names[file] = hashed
		a.files[hashed] = asset{kind: kinds[extension], plain: text, packed: sync.OnceValue(func() []byte { return pack(text, gzip.BestCompression) })}
		return nil
	})
}

// pack compresses a text, better or sooner by gzip's level; nil if that saves little.
func pack(text []byte, level int) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		return nil
	}
	if _, err := w.Write(text); err != nil || w.Close() != nil || b.Len() > len(text)*9/10 {
		return nil
	}
	return b.Bytes()
}

// path is where a file is served.
func (a *assets) path(file string) (string, error) {
	hashed, ok := a.names[file]
	if !ok {
		return "", fmt.Errorf("there is no file %s in web/static", file)
	}
	return "/admin/static/" + hashed, nil
}

func (a *assets) serve(w http.ResponseWriter, r *http.Request) {
	file, ok := a.files[r.PathValue("file")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Encoding")
	body := file.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		if packed := file.packed(); packed != nil {
			h.Set("Content-Encoding", "gzip")
			body = packed
		}
	}
	w.Write(body) //nolint:errcheck // the browser has gone
}
