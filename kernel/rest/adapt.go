package rest

import (
	"fmt"
	"net/url"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/microversion"
	"altostack/kernel/policy"
	"altostack/kernel/schema"
)

// PolicyOf lets a service's rules decide its routes; service is the contract's
// name (nova, neutron …), which also picks the wording of a refusal.
func PolicyOf(service string, e *policy.Engine) auth.Enforcer { return enforcer{service, e} }

type enforcer struct {
	service string
	engine  *policy.Engine
}

func (e enforcer) Allows(rule string, p *auth.Principal, t auth.Target) bool {
	return e.engine.ScopeAllowed(rule, p) && e.engine.Allows(rule, p, policy.Target(t))
}

func (e enforcer) Refuse(rule string) error {
	var text string
	switch e.service {
	case "keystone":
		text = fmt.Sprintf("You are not authorized to perform the requested action: %s.", rule)
	case "neutron":
		text = fmt.Sprintf("rule:%s is disallowed by policy", rule)
	case "glance":
		text = fmt.Sprintf("You are not authorized to complete %s action.", rule)
	default:
		text = fmt.Sprintf("Policy doesn't allow %s to be performed.", rule)
	}
	return fault.New(fault.CodePolicyForbidden, "%s", text)
}

// SchemasOf validates bodies and queries by a service's own request schemas.
func SchemasOf(service string) Schemas { return schemas{schema.Service(service)} }

type schemas struct{ set *schema.Set }

func (s schemas) Validate(method, path, action string, v microversion.Version, body any) error {
	return violated(s.set.Validate(method, path, action, v.Major, v.Minor, body))
}

func (s schemas) ValidateQuery(method, path string, v microversion.Version, q url.Values) error {
	return violated(s.set.ValidateQuery(method, path, v.Major, v.Minor, q))
}

func violated(v *schema.Violation) error {
	if v == nil {
		return nil
	}
	return fault.Because(v, fault.CodeRestInvalidInput, "%s", v.Message()).WithField(v.Field)
}
