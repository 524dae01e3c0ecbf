package identity

import (
	"strings"

	"altostack/kernel/auth"
)

// Binding is the delegation that a secret was made under. Whoever uses the secret
// may do what the delegation allows then, and nothing once it is over.
type Binding struct {
	TrustID       string `json:"trust_id,omitempty"`
	AppCredID     string `json:"app_cred_id,omitempty"`
	AccessTokenID string `json:"access_token_id,omitempty"`
}

// bindingOf is the delegation that a caller acts under; none for a user who proved
// who it is.
func bindingOf(scope auth.Scope) Binding {
	if scope.Principal == nil {
		return Binding{}
	}
	return Binding{TrustID: scope.TrustID, AppCredID: scope.AppCredID, AccessTokenID: scope.AccessTokenID}
}

// within keeps a caller that acts under a delegation to what belongs to it: the
// credentials of its project, but no secret that proves its user, and of key pairs
// those made under the same delegation. Another pair would do more than the caller
// may. Its blob is decrypted.
//
// Source: Keystone's project boundary for delegated tokens, of which this is the
// narrower form.
func within(scope auth.Scope, c Credential) error {
	if scope.Principal == nil || !scope.Delegated() {
		return nil
	}
	switch {
	case c.ProjectID == "" || c.ProjectID != scope.ProjectID:
		return forbidden("You are not authorized to perform the requested action: Credential project does not match the project scope of the delegated token.")
	case strings.EqualFold(c.Type, typeTOTP):
		return forbidden("You are not authorized to perform the requested action: A token issued via delegation cannot manage the secrets that its user proves itself by.")
	case strings.EqualFold(c.Type, typeEC2):
		if pair, err := c.pair(); err != nil || pair.Binding != bindingOf(scope) {
			return forbidden("You are not authorized to perform the requested action: The credential was not made with the delegation that the token comes from.")
		}
	}
	return nil
}

// managesSecrets refuses what an application credential made, unless it may make
// more secrets: a leaked one must not outlive its own end.
func managesSecrets(scope auth.Scope) error {
	if scope.Principal != nil && scope.AppCredID != "" && scope.AppCredRestricted {
		return forbidden("You are not authorized to perform the requested action: Using method 'application_credential' is not allowed for managing additional credentials.")
	}
	return nil
}

// undelegated refuses what a trust or an OAuth1 access token lent: an application
// credential made or seen by it would outlive it.
func undelegated(scope auth.Scope) error {
	if scope.Principal != nil && (scope.TrustID != "" || scope.AccessTokenID != "") {
		return forbidden("Cannot manage application credentials with a token issued via delegation.")
	}
	return nil
}
