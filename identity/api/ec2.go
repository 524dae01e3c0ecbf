package api

import (
	"net/http"

	"altostack/identity"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

func (a *API) ec2Routes() []rest.Route {
	const pairs = "/v3/users/{user_id}/credentials/OS-EC2"
	return []rest.Route{
		rest.On("GET "+pairs, "identity:ec2_list_credentials", func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			rows, err := a.svc.EC2Pairs(r.Context(), scope, r.PathValue("user_id"))
			if err != nil {
				return err
			}
			return many(w, r, "credentials", rows, false, ec2View)
		}).Inside(),
		rest.On("POST "+pairs, "identity:ec2_create_credential", a.createEC2).Inside(),
		rest.On("GET "+pairs+"/{credential_id}", "identity:ec2_get_credential", func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			p, err := a.svc.EC2PairOf(r.Context(), scope, r.PathValue("user_id"), r.PathValue("credential_id"))
			if err != nil {
				return err
			}
			return one(w, http.StatusOK, "credential", ec2View(r, p))
		}).Inside(),
		rest.On("DELETE "+pairs+"/{credential_id}", "identity:ec2_delete_credential", func(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
			return noContent(w, a.svc.DeleteEC2Pair(r.Context(), scope, r.PathValue("user_id"), r.PathValue("credential_id")))
		}).Inside(),
	}
}

func (a *API) createEC2(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body struct {
		Project string `json:"tenant_id"`
	}
	if err := rest.Decode(r, "", &body); err != nil {
		return err
	}
	if body.Project == "" {
		return fault.New(fault.CodeIdentityInvalid, "Invalid input for field/attribute tenant_id. 'tenant_id' is a required property").WithField("tenant_id")
	}
	p, err := a.svc.CreateEC2Pair(r.Context(), scope, r.PathValue("user_id"), body.Project)
	if err != nil {
		return err
	}
	return one(w, http.StatusCreated, "credential", ec2View(r, p))
}

func ec2View(r *http.Request, p identity.EC2Pair) object {
	return view(r, nil, "users/"+p.UserID+"/credentials/OS-EC2/"+p.Access, object{"user_id": p.UserID, "tenant_id": p.ProjectID, "access": p.Access, "secret": p.Secret, "trust_id": orNull(p.TrustID)})
}
