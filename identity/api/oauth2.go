package api

import (
	"io"
	"net/http"
	"net/url"

	"altostack/identity"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

func (a *API) oauth2Routes() []rest.Route {
	return []rest.Route{rest.On("POST /v3/OS-OAUTH2/token", "", a.oauth2Token).Open().Stream()}
}

// maxForm bounds a form, in bytes.
const maxForm = 16 << 10

// oauth2Token gives a program that authenticates as an application credential a
// token, by the client credentials grant of OAuth 2.0 (RFC 6749, section 4.4).
func (a *API) oauth2Token(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		return refuseOAuth2(w, r, http.StatusBadRequest, "invalid_request", "The form is too large or did not arrive whole.")
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return refuseOAuth2(w, r, http.StatusBadRequest, "invalid_request", "The form cannot be understood.")
	}
	switch grant := form.Get("grant_type"); grant {
	case "client_credentials":
	case "":
		return refuseOAuth2(w, r, http.StatusBadRequest, "invalid_request", "The parameter grant_type is required.")
	default:
		return refuseOAuth2(w, r, http.StatusBadRequest, "unsupported_grant_type", "The parameter grant_type "+grant+" is not supported.")
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = form.Get("client_id"), form.Get("client_secret")
	}
	if id == "" || secret == "" {
		return refuseOAuth2(w, r, http.StatusUnauthorized, "invalid_client", "Client authentication failed.")
	}
	t, err := a.svc.Issue(r.Context(), identity.Proof{Methods: []string{"application_credential"}, AppCred: &identity.Ref{ID: id}, Secret: secret}, identity.Ask{})
	switch fault.KindOf(err) {
	case fault.Unauthenticated:
		return refuseOAuth2(w, r, http.StatusUnauthorized, "invalid_client", "Client authentication failed.")
	case fault.Invalid:
		return refuseOAuth2(w, r, http.StatusBadRequest, "invalid_request", "The client's credentials cannot be understood.")
	}
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return rest.Write(w, http.StatusOK, object{"access_token": t.ID, "token_type": "Bearer", "expires_in": int64(t.ExpiresAt.Sub(t.IssuedAt).Seconds())})
}

func refuseOAuth2(w http.ResponseWriter, r *http.Request, status int, title, why string) error {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Keystone uri="`+rest.Base(r)+`/v3"`)
	}
	return rest.Write(w, status, object{"error": title, "error_description": why})
}
