// Package simulator is a WhatsApp server with phones behind it, on loopback, that an unmodified
// go.mau.fi/whatsmeow pairs with: TLS, websocket, Noise XX, binary XML, Signal, the offline queue,
// receipts, retries, app state and media. Faults are injected by call, and a ledger counts what
// was sent, acknowledged, answered, shown twice or lost.
//
//	wa, err := simulator.Start(simulator.Options{})
//	defer wa.Close()
//	defer wa.TrustRoot()()
//	owner, _ := wa.NewPhone(simulator.PhoneOptions{Number: "+255700000001"})
//	asha, _ := wa.NewPhone(simulator.PhoneOptions{Number: "+255700000002", PushName: "Asha"})
//	wa.ConfigureClient(client)           // a *whatsmeow.Client
//	owner.ScanQR(ctx, qr)                // the code from client.GetQRChannel
//	asha.SendText(ctx, owner, "habari")  // the client gets an *events.Message
//
// A Phone plays both parts: the primary phone of a business number, to which companions are linked,
// and any customer. Between phones and companions everything is encrypted as in life; between two
// phones of one server messages travel in the clear, because nobody is there to look.
//
// Sources of the protocol facts are whatsmeow itself (what its client sends, checks and refuses) and
// the public description of the Noise and Signal protocols. Where the real server's behaviour is not
// known the comment says so.
package simulator
