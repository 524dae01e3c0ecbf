package agent

import (
	"context"
	"io"
	"net/http"
	"net/netip"

	"altostack/agent/metadata"
)

// maxPassword is the longest password a guest can post, in bytes, as in Nova.
const maxPassword = 4 * 255

// Passwords is what a conductor may take besides: the password that a guest
// generated for its administrator, encrypted by the guest with the user's key.
type Passwords interface {
	ServerPassword(ctx context.Context, host, guestID, password string) error
}

// Metadata is the metadata service of one network. A caller is who has the
// address that the request comes from, on that network; anti-spoofing keeps it
// honest. No header names the caller, X-Forwarded-For least of all.
func (a *Agent) Metadata(networkID string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		id, err := a.net.caller(networkID, from.Addr())
		if err != nil {
			http.NotFound(w, r)
			return
		}
		rec, ok := a.records.get(id)
		if !ok {
			http.NotFound(w, r)
			return
		}
		a.answer(w, r, rec)
	})
}

func (a *Agent) answer(w http.ResponseWriter, r *http.Request, rec record) {
	if r.Method == http.MethodPost && metadata.IsPassword(r.URL.Path) {
		a.takePassword(w, r, rec.Guest.ID)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "GET and POST only are supported.", http.StatusBadRequest)
		return
	}
	content, ok := a.server(rec.Guest, rec.Password).Lookup(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", content.Type)
	_, _ = w.Write(content.Body) // a guest that hung up does not matter
}

// takePassword stores a password once; a second one is refused.
func (a *Agent) takePassword(w http.ResponseWriter, r *http.Request, id string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPassword))
	if err != nil {
		http.Error(w, "Request is too large.", http.StatusBadRequest)
		return
	}
	status := http.StatusOK
	err = a.inTurn(r.Context(), id, false, func(ctx context.Context) error {
		rec, ok := a.records.get(id)
		switch {
		case !ok:
			status = http.StatusNotFound
			return nil
		case rec.Password != "":
			status = http.StatusConflict
			return nil
		}
		if p, ok := a.cfg.Conductor.(Passwords); ok {
			if err := p.ServerPassword(ctx, a.cfg.Host, id, string(body)); err != nil {
				return err
			}
		}
		rec.Password = string(body)
		return a.records.put(rec)
	})
	if err != nil {
		a.log.Warn("a guest's password could not be kept", "server_id", id, "error", err)
		status = http.StatusServiceUnavailable
	}
	w.WriteHeader(status)
}
