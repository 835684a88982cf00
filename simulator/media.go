package simulator

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/util/cbcutil"
	"go.mau.fi/whatsmeow/util/hkdfutil"
	"google.golang.org/protobuf/proto"
)

const (
	mediaHost  = "mmg.whatsapp.net"
	mediaPath  = "/v/sim/"
	mediaMax   = 100 << 20 // bytes of one upload
	mediaMAC   = 10        // bytes of the HMAC kept at the end of a file
	mediaQuery = "?ccb=1"  // a client appends &hash=… to the direct path
)

// Errors of media.
var (
	ErrNoMedia      = errors.New("message has no media")
	ErrMediaExpired = errors.New("media is not on the server any more")
	ErrMediaDamaged = errors.New("media fails its checksums")
	ErrMediaKind    = errors.New("unknown kind of media")
)

// mediaStore keeps encrypted files by token, the base64url SHA-256 of their bytes.
type mediaStore struct {
	mu    sync.Mutex
	limit int64
	size  int64
	files map[string][]byte
	order []string
}

func (m *mediaStore) put(token string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files == nil {
		m.files = make(map[string][]byte)
	}
	if _, known := m.files[token]; known {
		return
	}
	m.files[token] = data
	m.order = append(m.order, token)
	for m.size += int64(len(data)); m.size > m.limit && len(m.order) > 1; m.order = m.order[1:] {
		m.size -= int64(len(m.files[m.order[0]]))
		delete(m.files, m.order[0])
	}
}

func (m *mediaStore) get(token string) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.files[token]
	return data, ok
}

func (c *conn) iqMedia(n *waBinary.Node) {
	c.result(n, waBinary.Node{
		Tag:     "media_conn",
		Attrs:   waBinary.Attrs{"auth": "simulator", "ttl": 3600, "auth_ttl": 3600, "max_buckets": 12},
		Content: []waBinary.Node{stanza("host", waBinary.Attrs{"hostname": mediaHost})},
	})
}

func (s *Server) serveUpload(w http.ResponseWriter, r *http.Request) {
	token := r.PathValue("token")
	if r.Method == http.MethodDelete {
		return
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mediaMax))
	if err != nil {
		http.Error(w, "cannot read body", http.StatusBadRequest)
		return
	}
	if sum := sha256.Sum256(data); base64.URLEncoding.EncodeToString(sum[:]) != token {
		http.Error(w, "token is not the hash of the body", http.StatusBadRequest)
		return
	}
	s.media.put(token, data)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{
		"url": "https://" + mediaHost + mediaPath + token + mediaQuery, "direct_path": mediaPath + token + mediaQuery,
	})
}

func (s *Server) serveDownload(w http.ResponseWriter, r *http.Request) {
	data, ok := s.media.get(r.PathValue("token"))
	if !ok {
		http.Error(w, "gone", http.StatusNotFound)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// downloadable is what all media parts of a message have in common.
type downloadable interface {
	whatsmeow.DownloadableMessage
	GetFileLength() uint64
}

// media returns the media part of a message, or nil.
func media(msg *waE2E.Message) downloadable {
	switch {
	case msg.ImageMessage != nil:
		return msg.ImageMessage
	case msg.VideoMessage != nil:
		return msg.VideoMessage
	case msg.AudioMessage != nil:
		return msg.AudioMessage
	case msg.DocumentMessage != nil:
		return msg.DocumentMessage
	case msg.StickerMessage != nil:
		return msg.StickerMessage
	}
	return nil
}

// SendMedia uploads data and sends it as an image, video, audio, ptt (voice note), document or sticker.
func (p *Phone) SendMedia(ctx context.Context, to *Phone, kind string, data []byte, opts ...SendOption) (string, error) {
	o := applyOptions(opts)
	msg, err := p.srv.mediaMessage(kind, data, o)
	if err != nil {
		return "", err
	}
	return p.send(ctx, to, msg, o)
}

// Download fetches and decrypts the media of a message that a phone shows.
func (s *Server) Download(m Message) ([]byte, error) {
	if m.content == nil {
		return nil, ErrNoMedia
	}
	part := media(m.content)
	path, _, _ := strings.Cut(strings.TrimPrefix(part.GetDirectPath(), mediaPath), "?")
	file, ok := s.media.get(path)
	if !ok {
		return nil, ErrMediaExpired
	}
	sum := sha256.Sum256(file)
	if len(file) <= mediaMAC || !bytes.Equal(sum[:], part.GetFileEncSHA256()) {
		return nil, fmt.Errorf("encrypted file: %w", ErrMediaDamaged)
	}
	k := mediaKeys(part.GetMediaKey(), whatsmeow.GetMediaType(part))
	body, mac := file[:len(file)-mediaMAC], file[len(file)-mediaMAC:]
	if !hmac.Equal(mac, k.mac(body)) {
		return nil, fmt.Errorf("mac: %w", ErrMediaDamaged)
	}
	data, err := cbcutil.Decrypt(k.cipher, k.iv, bytes.Clone(body))
	if err != nil {
		return nil, fmt.Errorf("decrypt media: %w", err)
	}
	if sum = sha256.Sum256(data); !bytes.Equal(sum[:], part.GetFileSHA256()) {
		return nil, fmt.Errorf("decrypted file: %w", ErrMediaDamaged)
	}
	return data, nil
}

type mediaSecrets struct{ iv, cipher, macKey []byte }

func mediaKeys(key []byte, kind whatsmeow.MediaType) mediaSecrets {
	out := hkdfutil.SHA256(key, nil, []byte(kind), 112)
	return mediaSecrets{iv: out[:16], cipher: out[16:48], macKey: out[48:80]}
}

func (k mediaSecrets) mac(body []byte) []byte {
	h := hmac.New(sha256.New, k.macKey)
	h.Write(k.iv)
	h.Write(body)
	return h.Sum(nil)[:mediaMAC]
}

// upload is what a message says about its file.
type upload struct {
	path                string
	key, sum, encSum    []byte
	length              uint64
	mime, caption, name *string
}

func (s *Server) encryptAndStore(data []byte, kind whatsmeow.MediaType, o sendOptions, mime string) (upload, error) {
	u := upload{key: randomBytes(32), length: uint64(len(data)), mime: proto.String(mime)}
	if o.mime != "" {
		u.mime = &o.mime
	}
	if o.caption != "" {
		u.caption = &o.caption
	}
	if o.fileName != "" {
		u.name = &o.fileName
	}
	k := mediaKeys(u.key, kind)
	body, err := cbcutil.Encrypt(k.cipher, k.iv, data)
	if err != nil {
		return u, fmt.Errorf("encrypt media: %w", err)
	}
	file := concat(body, k.mac(body))
	sum, encSum := sha256.Sum256(data), sha256.Sum256(file)
	u.sum, u.encSum = sum[:], encSum[:]
	token := base64.URLEncoding.EncodeToString(u.encSum)
	u.path = mediaPath + token + mediaQuery
	s.media.put(token, file)
	return u, nil
}

func (s *Server) mediaMessage(kind string, data []byte, o sendOptions) (*waE2E.Message, error) {
	type guess struct {
		keys whatsmeow.MediaType
		mime string
	}
	g, ok := map[string]guess{
		"image": {whatsmeow.MediaImage, "image/jpeg"}, "video": {whatsmeow.MediaVideo, "video/mp4"},
		"audio": {whatsmeow.MediaAudio, "audio/mpeg"}, "ptt": {whatsmeow.MediaAudio, "audio/ogg; codecs=opus"},
		"document": {whatsmeow.MediaDocument, "application/pdf"}, "sticker": {whatsmeow.MediaImage, "image/webp"},
	}[kind]
	if !ok {
		return nil, fmt.Errorf("%q: %w", kind, ErrMediaKind)
	}
	u, err := s.encryptAndStore(data, g.keys, o, g.mime)
	if err != nil {
		return nil, err
	}
	url := proto.String("https://" + mediaHost + u.path)
	switch kind {
	case "image":
		return &waE2E.Message{ImageMessage: &waE2E.ImageMessage{URL: url, DirectPath: &u.path, MediaKey: u.key,
			FileSHA256: u.sum, FileEncSHA256: u.encSum, FileLength: &u.length, Mimetype: u.mime, Caption: u.caption}}, nil
	case "video":
		return &waE2E.Message{VideoMessage: &waE2E.VideoMessage{URL: url, DirectPath: &u.path, MediaKey: u.key,
			FileSHA256: u.sum, FileEncSHA256: u.encSum, FileLength: &u.length, Mimetype: u.mime, Caption: u.caption}}, nil
	case "document":
		return &waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{URL: url, DirectPath: &u.path, MediaKey: u.key,
			FileSHA256: u.sum, FileEncSHA256: u.encSum, FileLength: &u.length, Mimetype: u.mime, Caption: u.caption,
			FileName: u.name, Title: u.name}}, nil
	case "sticker":
		return &waE2E.Message{StickerMessage: &waE2E.StickerMessage{URL: url, DirectPath: &u.path, MediaKey: u.key,
			FileSHA256: u.sum, FileEncSHA256: u.encSum, FileLength: &u.length, Mimetype: u.mime}}, nil
	default:
		return &waE2E.Message{AudioMessage: &waE2E.AudioMessage{URL: url, DirectPath: &u.path, MediaKey: u.key,
			FileSHA256: u.sum, FileEncSHA256: u.encSum, FileLength: &u.length, Mimetype: u.mime, PTT: proto.Bool(kind == "ptt")}}, nil
	}
}
