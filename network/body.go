package network

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"altostack/kernel/auth"
	"altostack/kernel/contract"
	"altostack/kernel/fault"
)

func malformed(format string, args ...any) error {
	return fault.New(fault.CodeNetworkMalformed, format, args...)
}

func invalid(format string, args ...any) error {
	return fault.New(fault.CodeNetworkInvalidInput, "Invalid input for operation: "+format+".", args...)
}

func bad(resource, format string, args ...any) error {
	return fault.New(fault.CodeNetworkBadRequest, "Bad "+resource+" request: "+format+".", args...)
}

// prepared is a request's body after the attribute tables had their say.
type prepared struct {
	row   Row
	given map[string]bool // set by the client to something else than the default
}

// prepareCreate checks and completes the body of a create.
func (r *Resource) prepareCreate(scope auth.Scope, body map[string]any) (prepared, error) {
	p := prepared{row: Row{}, given: map[string]bool{}}
	body, err := oneProject(body)
	if err != nil {
		return p, err
	}
	if r.Parent != "" { // from the path
		p.row[r.Parent] = body[r.Parent]
		delete(body, r.Parent)
	}
	owner, given := body["project_id"].(string)
	switch {
	case !given:
		body["project_id"] = scope.ProjectID
	case owner != scope.ProjectID && !scope.IsAdmin():
		return p, malformed("Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges")
	}
	if err := r.known(body); err != nil {
		return p, err
	}
	for name, a := range r.Attrs {
		v, has := body[name]
		switch {
		case !has && a.Required() && name != "project_id":
			return p, malformed("Failed to parse request. Required attribute '%s' not specified", name)
		case has && !a.AllowPost && name != "tags":
			return p, malformed("Attribute '%s' not allowed in POST", name)
		case !has && a.AllowPost && a.HasDefault && a.Specified:
			v = a.Default
		case !has:
			continue
		}
		if p.row[name], err = valueOf(a, v); err != nil {
			return p, err
		}
		p.given[name] = has && !same(v, a.Default)
	}
	return p, nil
}

// prepareUpdate checks the body of an update.
func (r *Resource) prepareUpdate(body map[string]any) (prepared, error) {
	p := prepared{row: Row{}, given: map[string]bool{}}
	body, err := oneProject(body)
	if err != nil {
		return p, err
	}
	if err := r.known(body); err != nil {
		return p, err
	}
	for name, v := range body {
		a := r.Attrs[name]
		if !a.AllowPut {
			return p, malformed("Cannot update read-only attribute %s", name)
		}
		if p.row[name], err = valueOf(a, v); err != nil {
			return p, err
		}
		p.given[name] = true
	}
	return p, nil
}

// known refuses attributes that no extension defines.
func (r *Resource) known(body map[string]any) error {
	var unknown []string
	for name := range body {
		if _, ok := r.Attrs[name]; !ok {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	return malformed("Unrecognized attribute(s) '%s'", strings.Join(unknown, ", "))
}

// oneProject makes project_id of either spelling.
func oneProject(body map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(body)+1)
	for k, v := range body {
		if k != "tenant_id" {
			out[k] = v
		}
	}
	tenant, has := body["tenant_id"]
	if !has {
		return out, nil
	}
	if p, both := out["project_id"]; both && p != tenant {
		return nil, malformed("'project_id' and 'tenant_id' do not match")
	}
	out["project_id"] = tenant
	return out, nil
}

// valueOf converts and checks one value.
func valueOf(a contract.Attribute, v any) (any, error) {
	if a.ConvertTo != "" {
		convert, ok := converters[a.ConvertTo]
		if !ok {
			return nil, fmt.Errorf("network: attribute %s has no converter %q", a.Name, a.ConvertTo)
		}
		var err error
		if v, err = convert(v); err != nil {
			return nil, err
		}
	}
	for _, check := range a.Validate {
		validate, ok := validators[check.Type]
		if !ok {
			return nil, fmt.Errorf("network: attribute %s has no validator %q", a.Name, check.Type)
		}
		if reason := validate(v, check.Arg); reason != "" {
			if a.Name == "name" && check.Type == "name_not_default" && reason == defaultTaken {
				return nil, fault.New(fault.CodeNetworkDefaultGroupExists, "Default security group already exists.")
			}
			return nil, malformed("Invalid input for %s. Reason: %s.", a.Name, reason)
		}
	}
	return plain(v), nil
}

// plain turns JSON's numbers into int64.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
	case float64:
		return int64(v)
	}
	return v
}

func same(a, b any) bool { return string(raw(a)) == string(raw(b)) }
