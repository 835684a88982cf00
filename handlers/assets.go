package handlers

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/gin-gonic/gin"

	"flowhq/domain"
)

// assets are the files of static/ under addresses that carry a hash of their
// content, so that browsers may keep them for ever. They are compressed once.
type assets struct {
	urls  map[string]string // "css/app.css" → "/static/css/app.1a2b3c4d.css"
	files map[string]asset  // by address
}

type asset struct {
	kind        string
	plain, gzip []byte
}

const staticRoot = "/static/"

func newAssets(files fs.FS) (*assets, error) {
	a := &assets{urls: map[string]string{}, files: map[string]asset{}}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		return a.add(name, body)
	})
	return a, err
}

func (a *assets) add(name string, body []byte) error {
	sum := sha256.Sum256(body)
	ext := path.Ext(name)
	url := staticRoot + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:4]) + ext
	packed, err := compressed(body)
	if err != nil {
		return fmt.Errorf("compress %s: %w", name, err)
	}
	kind := mime.TypeByExtension(ext)
	if kind == "" {
		kind = "application/octet-stream"
	}
	a.urls[name], a.files[url] = url, asset{kind: kind, plain: body, gzip: packed}
	return nil
}

func compressed(body []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// url is the address of a file; a name that does not exist is a mistake in a
// template, which the tests render.
func (a *assets) url(name string) (string, error) {
	if u, ok := a.urls[name]; ok {
		return u, nil
	}
	return "", fmt.Errorf("there is no static file %q", name)
}

// serveAsset answers below /static.
func (s *Server) serveAsset(c *gin.Context) error {
	f, ok := s.web.assets.files[c.Request.URL.Path]
	if !ok {
		return domain.NotFound("file")
	}
	h := c.Writer.Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	if strings.Contains(c.GetHeader("Accept-Encoding"), "gzip") && len(f.gzip) < len(f.plain) {
		h.Set("Content-Encoding", "gzip")
		c.Data(http.StatusOK, f.kind, f.gzip)
		return nil
	}
	c.Data(http.StatusOK, f.kind, f.plain)
	return nil
}
