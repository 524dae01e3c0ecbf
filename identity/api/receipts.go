package api

import (
	"errors"
	"net/http"

	"altostack/identity"
	"altostack/kernel/rest"
)

// receiptHeader carries the receipt of the methods that a client showed already.
const receiptHeader = "Openstack-Auth-Receipt"

// receiptFor answers 401 with a receipt where only further methods are missing;
// other errors stay as they are.
func receiptFor(w http.ResponseWriter, err error) error {
	var more *identity.Insufficient
	if !errors.As(err, &more) {
		return err
	}
	required := more.Required
	if required == nil {
		required = [][]string{}
	}
	w.Header().Set(receiptHeader, more.ID)
	return rest.Write(w, http.StatusUnauthorized, object{
		"receipt": object{
			"methods": more.Methods, "expires_at": instant(more.ExpiresAt), "issued_at": instant(more.IssuedAt),
			"user": object{"id": more.User.ID, "name": more.User.Name, "domain": brief(more.UserDomain)},
		},
		"required_auth_methods": required,
	})
}
