package api

import (
	"context"
	"net/http"
	"strings"

	"altostack/kernel/auth"
	"altostack/kernel/rest"
)

const actionPath = "POST /v2.1/servers/{id}/action"

func (a *API) actionRoutes() []rest.Route {
	on := func(action, rule string, h rest.Handler) rest.Route { return rest.On(actionPath, rule, h).Act(action) }
	return []rest.Route{
		on("os-start", "os_compute_api:servers:start", a.plain(a.svc.Start)),
		on("os-stop", "os_compute_api:servers:stop", a.plain(a.svc.Stop)),
		on("pause", "os_compute_api:os-pause-server:pause", a.plain(a.svc.Pause)),
		on("unpause", "os_compute_api:os-pause-server:unpause", a.plain(a.svc.Unpause)),
		on("reboot", "os_compute_api:servers:reboot", a.reboot),
		on("lock", "os_compute_api:os-lock-server:lock", a.lock),
		on("unlock", "os_compute_api:os-lock-server:unlock", a.plain(a.svc.Unlock)),
		on("os-resetState", "os_compute_api:os-admin-actions:reset_state", a.resetState),
		on("forceDelete", "os_compute_api:os-deferred-delete:force", a.plain(a.svc.Delete)),
		on("addSecurityGroup", "os_compute_api:os-security-groups:add", a.securityGroup("addSecurityGroup", true)),
		on("removeSecurityGroup", "os_compute_api:os-security-groups:remove", a.securityGroup("removeSecurityGroup", false)),
		on("addFixedIp", "os_compute_api:os-multinic:add", a.addFixedIP).Until("2.43"),
		on("removeFixedIp", "os_compute_api:os-multinic:remove", a.removeFixedIP).Until("2.43"),
		on("rebuild", "os_compute_api:servers:rebuild", a.rebuild),
		on("createImage", "os_compute_api:servers:create_image", a.createImage),
		on("os-getConsoleOutput", "os_compute_api:os-console-output", a.consoleOutput),
	}
}

// plain is an action without arguments, answered 202.
func (a *API) plain(do func(ctx context.Context, scope auth.Scope, id string) error) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		if err := do(r.Context(), scope, serverID(r)); err != nil {
			return err
		}
		return rest.Empty(w, http.StatusAccepted)
	}
}

func (a *API) reboot(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body struct {
		Type string `json:"type"`
	}
	if err := rest.Decode(r, "reboot", &body); err != nil {
		return err
	}
	if err := a.svc.Reboot(r.Context(), scope, serverID(r), strings.EqualFold(body.Type, "hard")); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

func (a *API) lock(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body struct {
		Reason *string `json:"locked_reason"`
	}
	if err := rest.Decode(r, "lock", &body); err != nil {
		return err
	}
	if err := a.svc.Lock(r.Context(), scope, serverID(r), body.Reason); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

func (a *API) resetState(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body struct {
		State string `json:"state"`
	}
	if err := rest.Decode(r, "os-resetState", &body); err != nil {
		return err
	}
	if err := a.svc.ResetState(r.Context(), scope, serverID(r), body.State == "active"); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

func (a *API) securityGroup(action string, add bool) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
		var body named
		if err := rest.Decode(r, action, &body); err != nil {
			return err
		}
		if strings.TrimSpace(body.Name) == "" {
			return invalid("Security group name cannot be empty")
		}
		if err := a.svc.SetSecurityGroup(r.Context(), scope, serverID(r), body.Name, add); err != nil {
			return err
		}
		return rest.Empty(w, http.StatusAccepted)
	}
}

func (a *API) addFixedIP(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body struct {
		Network flexible `json:"networkId"`
	}
	if err := rest.Decode(r, "addFixedIp", &body); err != nil {
		return err
	}
	if err := a.svc.SetFixedIP(r.Context(), scope, serverID(r), string(body.Network), ""); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

func (a *API) removeFixedIP(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body struct {
		Address string `json:"address"`
	}
	if err := rest.Decode(r, "removeFixedIp", &body); err != nil {
		return err
	}
	if err := a.svc.SetFixedIP(r.Context(), scope, serverID(r), "", body.Address); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusAccepted)
}

func (a *API) createImage(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body struct {
		Name     string            `json:"name"`
		Metadata map[string]string `json:"metadata"`
	}
	if err := rest.Decode(r, "createImage", &body); err != nil {
		return err
	}
	image, err := a.svc.Snapshot(r.Context(), scope, serverID(r), strings.TrimSpace(body.Name), body.Metadata)
	if err != nil {
		return err
	}
	if since(r, 45) {
		return rest.Write(w, http.StatusAccepted, map[string]string{"image_id": image})
	}
	w.Header().Set("Location", strings.Replace(rest.Base(r), "/compute", "/image", 1)+"/v2/images/"+image)
	return rest.Empty(w, http.StatusAccepted)
}

func (a *API) consoleOutput(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body struct {
		Length flexible `json:"length"`
	}
	if err := rest.Decode(r, "os-getConsoleOutput", &body); err != nil {
		return err
	}
	lines := -1
	if body.Length != "" && body.Length != "null" {
		lines = body.Length.number(-1)
	}
	text, err := a.svc.ConsoleOutput(r.Context(), scope, serverID(r), lines)
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]string{"output": printable(text)})
}

// printable drops what is not text, as a console may hold any byte.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' || r >= ' ' && r != 0x7f && r != '\uFFFD' {
			return r
		}
		return -1
	}, s)
}
