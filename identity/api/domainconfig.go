package api

import (
	"net/http"

	"altostack/identity"
	"altostack/kernel/auth"
	"altostack/kernel/rest"
)

func (a *API) domainConfigRoutes() []rest.Route {
	const own, compliance = "/v3/domains/{domain_id}/config", "/v3/domains/{domain_id}/config/security_compliance"
	routes := []rest.Route{
		rest.On("PUT "+own, "identity:create_domain_config", a.replaceConfig),
		rest.On("GET /v3/domains/config/default", "identity:get_domain_config_default", a.configDefaults),
		rest.On("GET /v3/domains/config/{group}/default", "identity:get_domain_config_default", a.configDefaults),
		rest.On("GET /v3/domains/config/{group}/{option}/default", "identity:get_domain_config_default", a.configDefaults),
		rest.On("GET "+compliance, "identity:get_security_compliance_domain_config", a.compliance),
		rest.On("GET "+compliance+"/{option}", "identity:get_security_compliance_domain_config", a.compliance),
	}
	for _, path := range []string{own, own + "/{group}", own + "/{group}/{option}"} {
		routes = append(routes,
			rest.On("GET "+path, "identity:get_domain_config", a.showConfig),
			rest.On("PATCH "+path, "identity:update_domain_config", a.updateConfig),
			rest.On("DELETE "+path, "identity:delete_domain_config", a.deleteConfig),
		)
	}
	return routes
}

func configAt(r *http.Request) identity.At {
	return identity.At{Group: r.PathValue("group"), Option: r.PathValue("option")}
}

// answerConfig spells what was asked for; a single option without its group.
func answerConfig(w http.ResponseWriter, status int, at identity.At, c identity.Settings) error {
	if at.Option != "" {
		return one(w, status, "config", c[at.Group])
	}
	return one(w, status, "config", c)
}

func (a *API) showConfig(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	c, err := a.svc.ShownConfig(r.Context(), scope, r.PathValue("domain_id"), configAt(r))
	if err != nil {
		return err
	}
	return answerConfig(w, http.StatusOK, configAt(r), c)
}

func (a *API) replaceConfig(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body identity.Settings
	if err := rest.Decode(r, "config", &body); err != nil {
		return err
	}
	c, made, err := a.svc.ReplaceConfig(r.Context(), scope, r.PathValue("domain_id"), body)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if made {
		status = http.StatusCreated
	}
	return one(w, status, "config", c)
}

func (a *API) updateConfig(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	at, body := configAt(r), identity.Settings{}
	if at.Option == "" {
		if err := rest.Decode(r, "config", &body); err != nil {
			return err
		}
	} else { // a single option is sent without its group
		option := map[string]any{}
		if err := rest.Decode(r, "config", &option); err != nil {
			return err
		}
		body[at.Group] = option
	}
	c, err := a.svc.UpdateConfig(r.Context(), scope, r.PathValue("domain_id"), at, body)
	if err != nil {
		return err
	}
	return one(w, http.StatusOK, "config", c)
}

func (a *API) deleteConfig(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	return noContent(w, a.svc.DeleteConfig(r.Context(), scope, r.PathValue("domain_id"), configAt(r)))
}

func (a *API) configDefaults(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	c, err := a.svc.ConfigDefaults(configAt(r))
	if err != nil {
		return err
	}
	return answerConfig(w, http.StatusOK, configAt(r), c)
}

func (a *API) compliance(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	at := identity.At{Group: "security_compliance", Option: r.PathValue("option")}
	c, err := a.svc.ComplianceConfig(r.PathValue("domain_id"), at.Option)
	if err != nil {
		return err
	}
	return answerConfig(w, http.StatusOK, at, identity.Settings{at.Group: c})
}
