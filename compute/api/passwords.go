package api

import (
	"net/http"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/rest"
)

// Passwords are the routes of what guests say their passwords are.
type Passwords struct{ compute *compute.Service }

// NewPasswords makes them.
func NewPasswords(s *compute.Service) *Passwords { return &Passwords{s} }

// Routes lists them.
func (a *Passwords) Routes() []rest.Route {
	return []rest.Route{
		rest.On("GET /v2.1/servers/{server_id}/os-server-password", "os_compute_api:os-server-password:show", a.show),
		rest.On("DELETE /v2.1/servers/{server_id}/os-server-password", "os_compute_api:os-server-password:clear", a.clear),
	}
}

func (a *Passwords) show(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	p, err := a.compute.Password(r.Context(), scope, r.PathValue("server_id"))
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, map[string]string{"password": p})
}

func (a *Passwords) clear(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	if err := a.compute.ForgetPassword(r.Context(), scope, r.PathValue("server_id")); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}
