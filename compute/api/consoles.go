package api

import (
	"net/http"
	"net/url"
	"strings"

	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

func (a *API) consoleRoutes() []rest.Route {
	return []rest.Route{
		rest.On(actionPath, "os_compute_api:os-remote-consoles", a.legacyConsole("os-getVNCConsole")).Act("os-getVNCConsole").Until("2.5"),
		rest.On(actionPath, "os_compute_api:os-remote-consoles", a.legacyConsole("os-getSerialConsole")).Act("os-getSerialConsole").Until("2.5"),
		rest.On("POST /v2.1/servers/{server_id}/remote-consoles", "os_compute_api:os-remote-consoles", a.remoteConsole).Since("2.6"),
		rest.On("GET /v2.1/os-console-auth-tokens/{id}", "os_compute_api:os-console-auth-tokens", a.showConsole),
	}
}

type consoleView struct {
	Protocol string `json:"protocol,omitempty"`
	Type     string `json:"type"`
	URL      string `json:"url"`
}

func (a *API) legacyConsole(action string) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		var body struct {
			Type string `json:"type"`
		}
		if err := rest.Decode(r, action, &body); err != nil {
			return err
		}
		address, err := a.console(r, scope, body.Type)
		if err != nil {
			return err
		}
		return rest.Write(w, http.StatusOK, map[string]any{"console": consoleView{Type: body.Type, URL: address}})
	}
}

func (a *API) remoteConsole(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body struct {
		Protocol string `json:"protocol"`
		Type     string `json:"type"`
	}
	if err := rest.Decode(r, "remote_console", &body); err != nil {
		return err
	}
	address, err := a.console(r, scope, body.Type)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"remote_console": consoleView{body.Protocol, body.Type, address}})
}

// console issues a token and makes the address that uses it: a page for VNC, a
// WebSocket for the serial console, as clients of Nova expect.
func (a *API) console(r *http.Request, scope auth.Scope, kind string) (string, error) {
	base := a.consoles
	if base == "" {
		base = strings.TrimSuffix(rest.Base(r), "/compute") + "/console"
	}
	switch kind {
	case "novnc":
		token, err := a.svc.IssueConsole(r.Context(), scope, serverID(r), hostapi.ConsoleVNC)
		if err != nil {
			return "", err
		}
		// noVNC opens its WebSocket at the path given, from the root.
		return base + "/vnc_auto.html?path=" + url.QueryEscape(rooted(base)+"/vnc?token="+token), nil
	case "serial":
		token, err := a.svc.IssueConsole(r.Context(), scope, serverID(r), hostapi.ConsoleSerial)
		if err != nil {
			return "", err
		}
		return "ws" + strings.TrimPrefix(base, "http") + "/serial?token=" + token, nil
	}
	if _, err := a.sees(r, scope); err != nil {
		return "", err
	}
	return "", fault.New(fault.CodeComputeConsoleUnavailable, "Unavailable console type %s.", kind)
}

func (a *API) showConsole(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	s, _, err := a.svc.Console(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	// The host's port is the agent's own: consoles are reached through it only.
	view := map[string]any{"instance_uuid": s.ID, "host": s.Host, "port": 0, "internal_access_path": nil}
	if since(r, 99) {
		view["tls_port"] = nil
	}
	return rest.Write(w, http.StatusOK, map[string]any{"console": view})
}

// rooted is the path of an address without its first slash.
func rooted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(u.Path, "/")
}
