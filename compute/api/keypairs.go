package api

import (
	"net/http"
	"strings"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/microversion"
	"altostack/kernel/page"
	"altostack/kernel/rest"
)

// Keypairs are the routes of users' keys.
type Keypairs struct{ compute *compute.Service }

// NewKeypairs makes them.
func NewKeypairs(s *compute.Service) *Keypairs { return &Keypairs{s} }

// Routes lists them. An administrator may name another user from 2.10.
func (a *Keypairs) Routes() []rest.Route {
	return []rest.Route{
		rest.On("GET /v2.1/os-keypairs", "os_compute_api:os-keypairs:index", a.list).Inside(),
		rest.On("POST /v2.1/os-keypairs", "os_compute_api:os-keypairs:create", a.create).Inside(),
		rest.On("GET /v2.1/os-keypairs/{name}", "os_compute_api:os-keypairs:show", a.show).Inside(),
		rest.On("DELETE /v2.1/os-keypairs/{name}", "os_compute_api:os-keypairs:delete", a.remove).Inside(),
	}
}

var (
	v2_2  = microversion.V(2, 2)
	v2_10 = microversion.V(2, 10)
	v2_35 = microversion.V(2, 35)
)

// owner decides whose keys are meant, and checks the route's rule on them.
func owner(r *http.Request, scope auth.Scope, asked string) (string, error) {
	user := scope.UserID
	if asked != "" && microversion.From(r.Context()).AtLeast(v2_10) {
		user = asked
	}
	return user, scope.Check(scope.Rule, auth.Target{"user_id": user, "project_id": scope.ProjectID})
}

func keypairView(v microversion.Version, k compute.Keypair, detail bool) map[string]any {
	out := map[string]any{"name": k.Name, "public_key": k.PublicKey, "fingerprint": k.Fingerprint}
	if v.AtLeast(v2_2) {
		out["type"] = k.Type
	}
	if detail {
		out["user_id"], out["id"], out["deleted"], out["deleted_at"], out["updated_at"] = k.UserID, k.Number, false, nil, nil
		out["created_at"] = k.CreatedAt.Format("2006-01-02T15:04:05.000000")
	}
	return out
}

func (a *Keypairs) list(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	q, v := r.URL.Query(), microversion.From(r.Context())
	user, err := owner(r, scope, q.Get("user_id"))
	if err != nil {
		return err
	}
	req := page.Request{Sort: []page.Key{{Column: "name"}}}
	if v.AtLeast(v2_35) {
		if req, err = page.Parse(q, page.Options{Max: 1000, Default: req.Sort}); err != nil {
			return err
		}
	}
	rows, more, err := a.compute.Keypairs(r.Context(), user, req)
	if err != nil {
		return err
	}
	views := make([]map[string]any, len(rows))
	for i, k := range rows {
		views[i] = map[string]any{"keypair": keypairView(v, k, false)}
	}
	out := map[string]any{"keypairs": views}
	if more {
		q.Set("marker", rows[len(rows)-1].Name)
		out["keypairs_links"] = []map[string]string{{"rel": "next", "href": rest.Base(r) + "/v2.1/os-keypairs?" + q.Encode()}}
	}
	return rest.Write(w, http.StatusOK, out)
}

func (a *Keypairs) create(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	v := microversion.From(r.Context())
	body := struct {
		Name      string  `json:"name"`
		PublicKey *string `json:"public_key"`
		Type      string  `json:"type"`
		UserID    string  `json:"user_id"`
	}{Type: "ssh"}
	if err := rest.Decode(r, "keypair", &body); err != nil {
		return err
	}
	user, err := owner(r, scope, body.UserID)
	if err != nil {
		return err
	}
	k := compute.Keypair{UserID: user, Name: strings.TrimSpace(body.Name), Type: body.Type}
	if body.PublicKey != nil {
		if k.PublicKey = *body.PublicKey; strings.TrimSpace(k.PublicKey) == "" { // not the same as none
			return fault.New(fault.CodeComputeKeypairInvalid, "Keypair data is invalid: failed to generate fingerprint").WithField("public_key")
		}
	}
	k, private, err := a.compute.CreateKeypair(r.Context(), scope.ProjectID, k)
	if err != nil {
		return err
	}
	out := keypairView(v, k, false)
	out["user_id"] = k.UserID
	if private != "" {
		out["private_key"] = private
	}
	status := http.StatusOK
	if v.AtLeast(v2_2) {
		status = http.StatusCreated
	}
	return rest.Write(w, status, map[string]any{"keypair": out})
}

func (a *Keypairs) show(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	user, err := owner(r, scope, r.URL.Query().Get("user_id"))
	if err != nil {
		return err
	}
	k, err := a.compute.Keypair(r.Context(), user, r.PathValue("name"))
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]any{"keypair": keypairView(microversion.From(r.Context()), k, true)})
}

func (a *Keypairs) remove(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	user, err := owner(r, scope, r.URL.Query().Get("user_id"))
	if err != nil {
		return err
	}
	if err := a.compute.DeleteKeypair(r.Context(), user, r.PathValue("name")); err != nil {
		return err
	}
	status := http.StatusAccepted
	if microversion.From(r.Context()).AtLeast(v2_2) {
		status = http.StatusNoContent
	}
	return rest.Empty(w, status)
}
