package simulator

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/appstate"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	waLog "go.mau.fi/whatsmeow/util/log"
	"google.golang.org/protobuf/proto"
)

// patchLimit bounds the history of one collection.
const patchLimit = 10_000

// appState is what a phone and its companions share through the server: settings as encrypted patches.
// It exists once somebody asks, because most phones are never linked.
type appState struct {
	mu    sync.Mutex
	store *appStateStore
	proc  *appstate.Processor
	list  map[appstate.WAPatchName][][]byte // patches of version 1, 2, …
}

// SetPushName renames the owner of the phone and tells the companions.
func (p *Phone) SetPushName(name string) error {
	p.mu.Lock()
	p.pushName = name
	p.mu.Unlock()
	p.app.mu.Lock()
	defer p.app.mu.Unlock()
	if p.app.proc == nil {
		return nil // the first patch will carry the name
	}
	return p.putPushName(true)
}

// openAppState makes the key and the first patch; p.app.mu must be held.
func (p *Phone) openAppState() error {
	a := &p.app
	if a.proc != nil {
		return nil
	}
	a.store = newAppStateStore()
	a.proc = appstate.NewProcessor(&store.Device{AppStateKeys: a.store, AppState: a.store}, waLog.Noop)
	a.list = make(map[appstate.WAPatchName][][]byte)
	return p.putPushName(false) // a companion that has no key yet must not be told
}

// PutNamelessSetting stores a setting without an index, as whoever has the account may, and tells the companions.
func (p *Phone) PutNamelessSetting() error {
	p.app.mu.Lock()
	defer p.app.mu.Unlock()
	if err := p.openAppState(); err != nil {
		return err
	}
	patch := appstate.BuildSettingPushName("x")
	patch.Mutations[0].Index = []string{}
	return p.putPatch(patch, true)
}

func (p *Phone) putPushName(tell bool) error {
	name := p.PushName()
	if name == "" {
		name = p.Number()
	}
	return p.putPatch(appstate.BuildSettingPushName(name), tell)
}

// putPatch encrypts and stores a patch of the phone itself. p.app.mu must be held.
func (p *Phone) putPatch(patch appstate.PatchInfo, tell bool) error {
	raw, err := p.app.proc.EncodePatch(context.Background(), p.app.store.keyID, p.app.store.state(string(patch.Type)), patch)
	if err != nil {
		return fmt.Errorf("encode patch: %w", err)
	}
	if err = p.appendPatch(patch.Type, raw); err == nil && tell {
		p.tellOthers(patch.Type, nil)
	}
	return err
}

// appendPatch gives a patch its version, checks its MACs and keeps it. p.app.mu must be held.
func (p *Phone) appendPatch(name appstate.WAPatchName, raw []byte) error {
	a := &p.app
	var patch waServerSync.SyncdPatch
	if err := proto.Unmarshal(raw, &patch); err != nil {
		return fmt.Errorf("parse patch: %w", err)
	}
	state := a.store.state(string(name))
	patch.Version = &waServerSync.SyncdVersion{Version: proto.Uint64(state.Version + 1)}
	list := &appstate.PatchList{Name: name, Patches: []*waServerSync.SyncdPatch{&patch}}
	if _, _, err := a.proc.DecodePatches(context.Background(), list, state, true); err != nil {
		return fmt.Errorf("check patch: %w", err)
	}
	raw, err := proto.Marshal(&patch)
	if err != nil {
		return fmt.Errorf("marshal patch: %w", err)
	}
	a.list[name] = append(a.list[name], raw)
	return nil
}

// tellOthers announces a new patch to the companions except the one that it came from.
func (p *Phone) tellOthers(name appstate.WAPatchName, from *device) {
	version := uint64(len(p.app.list[name]))
	for _, d := range p.companions() {
		if d != from {
			d.notifyPatch(name, version)
		}
	}
}

func (d *device) notifyPatch(name appstate.WAPatchName, version uint64) {
	id := newIQID()
	_ = d.push(&entry{
		key: entryKey{class: "notification", id: id, from: types.ServerJID},
		node: stanza("notification",
			waBinary.Attrs{"from": types.ServerJID, "type": "server_sync", "id": id, "t": time.Now().Unix()},
			stanza("collection", waBinary.Attrs{"name": string(name), "version": version})),
	})
}

// shareAppStateKey sends the key to a companion, which then asks for all collections.
func (p *Phone) shareAppStateKey(d *device) error {
	p.app.mu.Lock()
	err := p.openAppState()
	p.app.mu.Unlock()
	if err != nil {
		return err
	}
	return p.sendPeer(d, &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_SHARE.Enum(),
		AppStateSyncKeyShare: &waE2E.AppStateSyncKeyShare{Keys: []*waE2E.AppStateSyncKey{{
			KeyID: &waE2E.AppStateSyncKeyId{KeyID: p.app.store.keyID},
			KeyData: &waE2E.AppStateSyncKeyData{
				KeyData:   p.app.store.key.Data,
				Timestamp: proto.Int64(p.app.store.key.Timestamp),
				Fingerprint: &waE2E.AppStateSyncKeyFingerprint{
					RawID: proto.Uint32(p.rawID), CurrentIndex: proto.Uint32(d.keyIndex), DeviceIndexes: []uint32{0},
				},
			},
		}}},
	})
}

// iqAppState hands out patches and takes new ones.
func (c *conn) iqAppState(n *waBinary.Node) {
	if c.device == nil {
		c.iqError(n, 401, "not-authorized")
		return
	}
	p := c.device.phone
	p.app.mu.Lock()
	defer p.app.mu.Unlock()
	if err := p.openAppState(); err != nil {
		c.srv.log.Warn("app state", "error", err)
		c.iqError(n, 500, "internal-server-error")
		return
	}
	var collections []waBinary.Node
	sync := n.GetChildByTag("sync")
	for _, query := range sync.GetChildrenByTag("collection") {
		collections = append(collections, p.syncCollection(&query, c.device))
	}
	c.result(n, stanza("sync", nil, collections...))
}

func (p *Phone) syncCollection(query *waBinary.Node, from *device) waBinary.Node {
	name := appstate.WAPatchName(attrString(query, "name"))
	known, _ := strconv.ParseUint(attrString(query, "version"), 10, 64)
	patches := p.app.list[name]
	if patch := childBytes(query, "patch"); patch != nil {
		switch {
		case known != uint64(len(patches)):
			return collection(name, patches, known, 409, "conflict")
		case len(patches) >= patchLimit:
			return collection(name, nil, known, 500, "too many patches")
		}
		if err := p.appendPatch(name, patch); err != nil {
			p.srv.log.Warn("patch refused", "device", from.jid.String(), "error", err)
			return collection(name, nil, known, 400, "bad-request")
		}
		p.tellOthers(name, from)
		return stanza("collection", waBinary.Attrs{"name": string(name), "version": known + 1, "type": "result"})
	}
	return collection(name, patches, known, 0, "")
}

func collection(name appstate.WAPatchName, patches [][]byte, after uint64, code int, reason string) waBinary.Node {
	attrs := waBinary.Attrs{"name": string(name), "version": len(patches)}
	var children []waBinary.Node
	if code != 0 {
		attrs["type"] = "error"
		children = append(children, stanza("error", waBinary.Attrs{"code": code, "text": reason}))
	}
	var list []waBinary.Node
	for _, raw := range patches[min(after, uint64(len(patches))):] {
		list = append(list, leaf("patch", raw))
	}
	if len(list) > 0 {
		children = append(children, stanza("patches", nil, list...))
	}
	return stanza("collection", attrs, children...)
}

// appStateStore keeps the phone's side of app state in memory, for whatsmeow's own codec.
type appStateStore struct {
	keyID  []byte
	key    store.AppStateSyncKey
	states map[string]appstate.HashState
	macs   map[string][]byte // value MACs by collection and index MAC
}

func newAppStateStore() *appStateStore {
	return &appStateStore{
		keyID:  append([]byte{0, 0, 0, 0}, randomBytes(2)...),
		key:    store.AppStateSyncKey{Data: randomBytes(32), Timestamp: time.Now().UnixMilli()},
		states: map[string]appstate.HashState{}, macs: map[string][]byte{},
	}
}

func (s *appStateStore) state(name string) appstate.HashState { return s.states[name] }

func (s *appStateStore) PutAppStateSyncKey(context.Context, []byte, store.AppStateSyncKey) error {
	return errNotUsed
}

func (s *appStateStore) GetAppStateSyncKey(_ context.Context, id []byte) (*store.AppStateSyncKey, error) {
	if string(id) != string(s.keyID) {
		return nil, nil
	}
	return &s.key, nil
}

func (s *appStateStore) GetLatestAppStateSyncKeyID(context.Context) ([]byte, error) {
	return s.keyID, nil
}

func (s *appStateStore) GetAllAppStateSyncKeys(context.Context) ([]*store.AppStateSyncKey, error) {
	return []*store.AppStateSyncKey{&s.key}, nil
}

func (s *appStateStore) PutAppStateVersion(_ context.Context, name string, version uint64, hash [128]byte) error {
	s.states[name] = appstate.HashState{Version: version, Hash: hash}
	return nil
}

func (s *appStateStore) GetAppStateVersion(_ context.Context, name string) (uint64, [128]byte, error) {
	return s.states[name].Version, s.states[name].Hash, nil
}

func (s *appStateStore) DeleteAppStateVersion(_ context.Context, name string) error {
	delete(s.states, name)
	return nil
}

func (s *appStateStore) PutAppStateMutationMACs(_ context.Context, name string, _ uint64, mutations []store.AppStateMutationMAC) error {
	for _, m := range mutations {
		s.macs[name+string(m.IndexMAC)] = m.ValueMAC
	}
	return nil
}

func (s *appStateStore) DeleteAppStateMutationMACs(_ context.Context, name string, indexMACs [][]byte) error {
	for _, mac := range indexMACs {
		delete(s.macs, name+string(mac))
	}
	return nil
}

func (s *appStateStore) GetAppStateMutationMAC(_ context.Context, name string, indexMAC []byte) ([]byte, error) {
	return s.macs[name+string(indexMAC)], nil
}
