// Package console is the WebSocket side of server consoles: a client shows the
// single-use token that the API gave it and is joined to the guest's VNC or
// serial console, byte for byte, in the subprotocol "binary" of noVNC.
//
// The token is the whole of the authority; the page that opens the connection
// must be the cloud's own, or none (a program).
package console

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/coder/websocket"

	"altostack/hostapi"
	"altostack/kernel/fault"
)

// Opener uses a token up; compute's Service does.
type Opener interface {
	OpenConsole(ctx context.Context, token string, kind hostapi.ConsoleKind) (io.ReadWriteCloser, error)
}

// Handler serves /console/vnc and /console/serial. Origins are the further
// hosts whose pages may open a console, as host patterns.
func Handler(o Opener, log *slog.Logger, origins ...string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /console/vnc", bridge(o, log, hostapi.ConsoleVNC, origins))
	mux.Handle("GET /console/serial", bridge(o, log, hostapi.ConsoleSerial, origins))
	mux.HandleFunc("GET /console/vnc_auto.html", page)
	return mux
}

// page says where the console is: this build carries no VNC client of its own
// for browsers. Opening it uses no token up.
func page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	w.Header().Set("Referrer-Policy", "no-referrer") // the address holds a token
	_, _ = io.WriteString(w, "<!DOCTYPE html><html><head><title>noVNC</title></head><body>"+
		"<p>The server's VNC console is a WebSocket (subprotocol binary) at the path that this address names. Give both to a noVNC client.</p></body></html>")
}

func bridge(o Opener, log *slog.Logger, kind hostapi.ConsoleKind, origins []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := tokenOf(r)
		// Only a handshake uses a token up, not a look at the address.
		if r.Header.Get("Sec-WebSocket-Key") == "" {
			http.Error(w, "This address is for WebSocket clients.", http.StatusUpgradeRequired)
			return
		}
		guest, err := o.OpenConsole(r.Context(), token, kind)
		if err != nil {
			status := http.StatusBadGateway
			if k := fault.KindOf(err); k == fault.Unauthenticated || k == fault.NotFound {
				status = http.StatusForbidden
			}
			w.Header().Set("Connection", "close") // nobody waits for more on a socket meant for frames
			http.Error(w, fault.From(err).Message, status)
			return
		}
		defer guest.Close()
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"binary"}, OriginPatterns: origins})
		if err != nil {
			return // Accept has answered
		}
		defer c.CloseNow()
		c.SetReadLimit(1 << 20)
		// The request's own context ends with hijacking's end of the handler only.
		err = Join(context.WithoutCancel(r.Context()), c, guest)
		if err != nil && !errors.Is(err, io.EOF) && websocket.CloseStatus(err) < 0 {
			log.Debug("a console ended", "kind", kind, "error", err)
		}
		_ = c.Close(websocket.StatusNormalClosure, "")
	})
}

// tokenOf finds the token where noVNC puts it: in the query, or in the query of
// the query's path.
func tokenOf(r *http.Request) string {
	if t := r.URL.Query().Get("token"); t != "" {
		return t
	}
	u, err := url.Parse(r.URL.Query().Get("path"))
	if err != nil {
		return ""
	}
	return u.Query().Get("token")
}

// Join copies both ways until one side ends.
func Join(ctx context.Context, c *websocket.Conn, guest io.ReadWriteCloser) error {
	stream := websocket.NetConn(ctx, c, websocket.MessageBinary)
	done := make(chan error, 2)
	go func() { _, err := io.Copy(stream, guest); done <- err }()
	go func() { _, err := io.Copy(guest, stream); done <- err }()
	err := <-done
	_ = guest.Close()
	_ = stream.Close()
	<-done
	return err
}
