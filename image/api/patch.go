package api

import (
	"encoding/json"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"altostack/image"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

// Types of a PATCH: drafts 4 and 10 of JSON patch.
const (
	patchV20 = "application/openstack-images-v2.0-json-patch"
	patchV21 = "application/openstack-images-v2.1-json-patch"
)

// operation is one step of a patch on one field.
type operation struct {
	op, name string
	at       string // within name: the position of a location
	value    json.RawMessage
	strict   bool // draft 4: adding what exists is a conflict
}

func (a *API) update(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	ops, err := patchOf(w, r)
	if err != nil {
		return err
	}
	out, err := a.images.Update(r.Context(), scope, r.PathValue("image_id"), func(img *image.Image, member bool) error {
		t := target(*img, scope, member)
		if err := scope.Check("modify_image", t); err != nil {
			return err
		}
		for _, op := range ops {
			if op.name == "locations" { // comes after all else, if it may
				if err := a.mayLocate(op); err != nil {
					return err
				}
				continue
			}
			if err := op.apply(img, scope, a.protected); err != nil {
				return err
			}
			if op.name == "visibility" {
				if err := mayShow(scope, img.Visibility, t); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil {
		out, err = a.relocate(r, scope, out, ops)
	}
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, a.view(out, scope))
}

func patchOf(w http.ResponseWriter, r *http.Request) ([]operation, error) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media != patchV20 && media != patchV21 {
		w.Header().Set("Accept-Patch", patchV20+", "+patchV21)
		return nil, fault.New(fault.CodeImageBadContentType, "Image PATCH expects Content-Type one of: %s, %s", patchV20, patchV21)
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(rest.RawBody(r), &raw); err != nil {
		return nil, invalid("Request body must be a JSON array of operation objects.")
	}
	ops := make([]operation, 0, len(raw))
	for _, one := range raw {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(one, &members); err != nil || members == nil {
			return nil, invalid("Operations must be JSON objects.")
		}
		op, err := operationOf(members, media == patchV20)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

var verbs = []string{"add", "remove", "replace"}

func operationOf(m map[string]json.RawMessage, draft4 bool) (operation, error) {
	o := operation{strict: draft4}
	var path string
	if draft4 {
		for _, verb := range verbs {
			if raw, has := m[verb]; has {
				if o.op != "" {
					return o, invalid(`Operation objects must contain only one member named "add", "remove", or "replace".`)
				}
				o.op = verb
				_ = json.Unmarshal(raw, &path) // no string: the pointer is refused below
			}
		}
		if o.op == "" {
			return o, invalid(`Operation objects must contain exactly one member named "add", "remove", or "replace".`)
		}
	} else {
		_ = json.Unmarshal(m["op"], &o.op) // no string: refused below
		if !slices.Contains(verbs, o.op) {
			return o, invalid("Invalid operation: `%s`. It must be one of the following: %s.", o.op, strings.Join(verbs, ", "))
		}
		if _, has := m["path"]; !has {
			return o, invalid("Unable to find 'path' in JSON Schema change")
		}
		_ = json.Unmarshal(m["path"], &path) // no string: the pointer is refused below
	}
	var err error
	if o.name, err = pointer(path); err != nil {
		return o, err
	}
	if value, has := m["value"]; has {
		o.value = value
	} else if o.op != "remove" {
		return o, invalid(`Operation "%s" requires a member named "value".`, o.op)
	}
	if o.name == "locations" { // whether they can be changed the service knows
		_, o.at, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
		return o, nil
	}
	return o, checkName(o.name)
}

var badEscape = regexp.MustCompile(`~([^01]|$)`)

// pointer reads a JSON pointer of one segment.
func pointer(p string) (string, error) {
	switch {
	case !strings.HasPrefix(p, "/"):
		return "", invalid("Pointer `%s` does not start with \"/\".", p)
	case strings.Contains(p, "//"):
		return "", invalid("Pointer `%s` contains adjacent \"/\".", p)
	case strings.HasSuffix(p, "/"):
		return "", invalid("Pointer `%s` end with \"/\".", p)
	case badEscape.MatchString(p):
		return "", invalid("Pointer `%s` contains \"~\" not part of a recognized escape sequence.", p)
	}
	segs := strings.Split(p[1:], "/")
	name := strings.TrimSpace(strings.NewReplacer("~1", "/", "~0", "~").Replace(segs[0]))
	if len(segs) > 1 && name != "locations" {
		return "", invalid("Invalid JSON pointer for this resource: '%s'", p)
	}
	return name, nil
}

func (o operation) apply(img *image.Image, scope auth.Scope, p *image.Protections) error {
	_, isProperty := img.Properties[o.name]
	isBase := slices.Contains(base, o.name)
	if !isBase {
		if err := o.protected(p, scope, isProperty); err != nil {
			return err
		}
	}
	if o.name == "owner" && o.op != "remove" && !scope.IsAdmin() {
		return forbidden("Owner can't be updated by non admin.")
	}
	switch {
	case o.op == "remove" && isBase:
		return forbidden("Property %s may not be removed.", o.name)
	case o.op == "remove" && !isProperty, o.op == "replace" && !isBase && !isProperty:
		return fault.New(fault.CodeImageConflict, "Property %s does not exist.", o.name)
	case o.op == "remove":
		delete(img.Properties, o.name)
		return nil
	case o.op == "add" && o.strict && (isBase || isProperty):
		return fault.New(fault.CodeImageConflict, "Property %s already present.", o.name)
	}
	return set(img, o.name, o.value)
}

// protected refuses what the protections do not let the caller do to a property.
// One that the caller cannot read is as if it were not there.
func (o operation) protected(p *image.Protections, scope auth.Scope, exists bool) error {
	what := image.CreateProperty
	switch {
	case exists && !p.Allow(scope, o.name, image.ReadProperty):
		if o.op != "add" {
			return fault.New(fault.CodeImageConflict, "Property %s does not exist.", o.name)
		}
		return errReserved(o.name)
	case exists && o.op == "remove":
		what = image.DeleteProperty
	case exists:
		what = image.UpdateProperty
	case o.op != "add":
		return nil // there is nothing to do it to
	}
	if !p.Allow(scope, o.name, what) {
		return errReserved(o.name)
	}
	return nil
}
