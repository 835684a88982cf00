package simulator

import (
	"fmt"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waWeb"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// sendPeer encrypts a message of the phone to one of its own companions.
func (p *Phone) sendPeer(d *device, msg *waE2E.ProtocolMessage) error {
	plaintext, err := proto.Marshal(&waE2E.Message{ProtocolMessage: msg})
	if err != nil {
		return fmt.Errorf("marshal peer message: %w", err)
	}
	p.keys()
	p.ratchets.mu.Lock()
	defer p.ratchets.mu.Unlock()
	encType, ciphertext, err := p.ratchets.encrypt(d, plaintext)
	if err != nil {
		return err
	}
	id := applyOptions(nil).id
	return d.push(&entry{
		key: entryKey{class: "message", id: id, from: p.JID()},
		node: stanza("message",
			waBinary.Attrs{"from": p.JID(), "id": id, "type": "text", "category": "peer", "t": time.Now().Unix()},
			waBinary.Node{Tag: "enc", Attrs: waBinary.Attrs{"v": "2", "type": encType}, Content: ciphertext}),
	})
}

// handlePeer serves what a companion asks its phone for.
func (p *Phone) handlePeer(in inbound, msg *waE2E.Message) {
	var err error
	switch m := msg.GetProtocolMessage(); m.GetType() {
	case waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_REQUEST:
		err = p.shareAppStateKey(in.from)
	case waE2E.ProtocolMessage_PEER_DATA_OPERATION_REQUEST_MESSAGE:
		request := m.GetPeerDataOperationRequestMessage()
		if request.GetPeerDataOperationRequestType() == waE2E.PeerDataOperationRequestType_PLACEHOLDER_MESSAGE_RESEND {
			err = p.resendPlaceholders(in, request.GetPlaceholderMessageResendRequest())
		}
	}
	if err != nil {
		p.srv.log.Debug("peer request failed", "phone", p.Number(), "error", err)
	}
}

// resendPlaceholders gives a companion its phone's copies of messages that it could not read.
func (p *Phone) resendPlaceholders(in inbound, requests []*waE2E.PeerDataOperationRequestMessage_PlaceholderMessageResendRequest) error {
	var results []*waE2E.PeerDataOperationRequestResponseMessage_PeerDataOperationResult
	for _, r := range requests {
		info := p.webMessage(r.GetMessageKey().GetRemoteJID(), r.GetMessageKey().GetID())
		if info == nil {
			continue
		}
		info.Key = r.GetMessageKey()
		raw, err := proto.Marshal(info)
		if err != nil {
			return fmt.Errorf("marshal copy of message: %w", err)
		}
		results = append(results, &waE2E.PeerDataOperationRequestResponseMessage_PeerDataOperationResult{
			PlaceholderMessageResendResponse: &waE2E.PeerDataOperationRequestResponseMessage_PeerDataOperationResult_PlaceholderMessageResendResponse{
				WebMessageInfoBytes: raw,
			},
		})
	}
	if len(results) == 0 {
		return nil
	}
	return p.sendPeer(in.from, &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE.Enum(),
		PeerDataOperationRequestResponseMessage: &waE2E.PeerDataOperationRequestResponseMessage{
			PeerDataOperationRequestType: waE2E.PeerDataOperationRequestType_PLACEHOLDER_MESSAGE_RESEND.Enum(),
			StanzaID:                     &in.id,
			PeerDataOperationResult:      results,
		},
	})
}

// webMessage finds a message that somebody wrote to this phone.
func (p *Phone) webMessage(chat, id string) *waWeb.WebMessageInfo {
	jid, err := types.ParseJID(chat)
	if err != nil {
		return nil
	}
	writer := p.srv.phoneByJID(jid)
	if writer == nil {
		return nil
	}
	out := writer.recent.get(id)
	if out == nil || out.to != p {
		return nil
	}
	return &waWeb.WebMessageInfo{
		Message: out.message, MessageTimestamp: proto.Uint64(uint64(out.at.Unix())),
		PushName: proto.String(writer.PushName()), Status: waWeb.WebMessageInfo_DELIVERY_ACK.Enum(),
	}
}
