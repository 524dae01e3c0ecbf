package api

import (
	"net/http"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

// goneRoutes answer calls about PKI tokens as the release does, which has them no
// more.
func goneRoutes() []rest.Route {
	gone := func(http.ResponseWriter, *http.Request, auth.Scope) error {
		return fault.New(fault.CodeIdentityGone, "This API is no longer available due to the removal of support for PKI tokens.")
	}
	return []rest.Route{
		rest.On("GET /v3/OS-SIMPLE-CERT/ca", "", gone).Open(),
		rest.On("GET /v3/OS-SIMPLE-CERT/certificates", "", gone).Open(),
		rest.On("GET /v3/auth/tokens/OS-PKI/revoked", "", func(http.ResponseWriter, *http.Request, auth.Scope) error {
			return fault.New(fault.CodeIdentityForbidden, "You are not authorized to perform the requested action.")
		}).Open(),
	}
}
