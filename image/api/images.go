package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"altostack/image"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

func invalid(format string, args ...any) error {
	return fault.New(fault.CodeImageInvalid, format, args...)
}

func forbidden(format string, args ...any) error {
	return fault.New(fault.CodeImageForbidden, format, args...)
}

func (a *API) create(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body map[string]json.RawMessage
	if err := rest.Decode(r, "", &body); err != nil {
		return err
	}
	spec, err := specOf(body)
	if err != nil {
		return err
	}
	if spec.Owner == "" {
		spec.Owner = scope.ProjectID
	}
	for name := range spec.Properties {
		if !a.protected.Allow(scope, name, image.CreateProperty) {
			return errReserved(name)
		}
	}
	t := auth.Target{"project_id": scope.ProjectID, "owner": spec.Owner, "visibility": spec.Visibility}
	if err := scope.Check("add_image", t); err != nil {
		return err
	}
	t["project_id"] = spec.Owner
	if err := mayShow(scope, spec.Visibility, t); err != nil {
		return err
	}
	scope.All = true
	img, err := a.images.Create(r.Context(), scope, spec)
	if err != nil {
		return err
	}
	w.Header().Set("Location", rest.Base(r)+"/v2/images/"+img.ID)
	var stores []string
	for _, p := range a.images.Stores() {
		stores = append(stores, p.ID)
	}
	w.Header().Set("OpenStack-image-store-ids", strings.Join(stores, ","))
	if methods := a.images.Methods(); len(methods) > 0 {
		w.Header().Set("OpenStack-image-import-methods", strings.Join(methods, ","))
	}
	return rest.Write(w, http.StatusCreated, a.view(img, scope))
}

// mayShow decides the rules for making an image visible to everybody.
func mayShow(scope auth.Scope, visibility string, t auth.Target) error {
	switch visibility {
	case image.Public:
		return scope.Check("publicize_image", t)
	case image.Community:
		return scope.Check("communitize_image", t)
	}
	return nil
}

// specOf reads a new image; what is no field of an image is a property.
func specOf(body map[string]json.RawMessage) (image.Spec, error) {
	img := image.Image{Properties: map[string]string{}, Visibility: image.Shared}
	for name, raw := range body {
		if name == "id" {
			if err := json.Unmarshal(raw, &img.ID); err != nil || img.ID == "" {
				return image.Spec{}, invalid("Invalid image id format")
			}
			continue
		}
		if err := checkName(name); err != nil {
			return image.Spec{}, err
		}
		if err := set(&img, name, raw); err != nil {
			return image.Spec{}, err
		}
	}
	return image.Spec{ID: img.ID, Name: img.Name, Visibility: img.Visibility, Owner: img.Owner, DiskFormat: img.DiskFormat,
		ContainerFormat: img.ContainerFormat, MinDiskGiB: img.MinDiskGiB, MinRAMMiB: img.MinRAMMiB, Protected: img.Protected,
		Hidden: img.Hidden, Properties: img.Properties, Tags: img.Tags}, nil
}

var (
	readOnly = []string{"created_at", "updated_at", "status", "checksum", "size", "virtual_size", "direct_url", "self", "file",
		"schema", "id", "os_hash_algo", "os_hash_value", "stores"}
	reserved = []string{"location", "deleted", "deleted_at", "is_public"}
	base     = []string{"name", "visibility", "protected", "os_hidden", "container_format", "disk_format", "min_disk", "min_ram", "owner", "tags"}
)

func errReserved(name string) error { return forbidden("Attribute '%s' is reserved.", name) }

// checkName refuses fields that clients cannot set.
func checkName(name string) error {
	switch {
	case slices.Contains(readOnly, name):
		return forbidden("Attribute '%s' is read-only.", name)
	case slices.Contains(reserved, name) || strings.HasPrefix(name, "os_glance"):
		return errReserved(name)
	case name == "locations":
		return forbidden("It's not allowed to update locations if locations are invisible.")
	}
	return nil
}

// set gives one field or property its value.
func set(i *image.Image, name string, raw json.RawMessage) error {
	var into any
	switch name {
	case "name":
		into = &i.Name
	case "visibility":
		into = &i.Visibility
	case "protected":
		into = &i.Protected
	case "os_hidden":
		into = &i.Hidden
	case "container_format":
		into = &i.ContainerFormat
	case "disk_format":
		into = &i.DiskFormat
	case "min_disk":
		into = &i.MinDiskGiB
	case "min_ram":
		into = &i.MinRAMMiB
	case "owner":
		into = &i.Owner
	case "tags":
		i.Tags = nil
		into = &i.Tags
	default:
		var value string
		if err := json.Unmarshal(raw, &value); err != nil || string(raw) == "null" && !nullable[name] {
			return invalid("Provided object does not match schema 'image': %s is not of type 'string' for property %s", raw, name)
		}
		i.Properties[name] = value
		return nil
	}
	if string(raw) == "null" && (name == "visibility" || name == "protected" || name == "os_hidden" || name == "tags" || strings.HasPrefix(name, "min_")) {
		return invalid("Provided object does not match schema 'image': None is not allowed for %s", name)
	}
	if string(raw) == "null" {
		raw = json.RawMessage(`""`)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return invalid("Provided object does not match schema 'image': %.80s is not of the right type for %s", raw, name)
	}
	return nil
}

// nullable are the properties that Glance's own schema lets be null.
var nullable = map[string]bool{"kernel_id": true, "ramdisk_id": true}

func (a *API) show(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	img, _, err := a.may(r, scope, "get_image")
	if err != nil {
		return hidden(err, r)
	}
	return rest.Write(w, http.StatusOK, a.view(img, scope))
}

// hidden makes a refusal to look at an image a 404.
func hidden(err error, r *http.Request) error {
	if fault.Has(err, fault.CodePolicyForbidden) {
		return fault.New(fault.CodeImageNotFound, "No image found with ID %s", r.PathValue("image_id"))
	}
	return err
}

func (a *API) remove(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	img, scope, err := a.may(r, scope, "delete_image")
	if err != nil {
		return err
	}
	if err := a.images.Delete(r.Context(), scope, img.ID); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}

func (a *API) deactivate(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	return a.act(w, r, scope, "deactivate", func(i *image.Image) error {
		if i.Status != image.Active && i.Status != image.Deactivated {
			return forbidden("Not allowed to deactivate image in status '%s'", i.Status)
		}
		i.Status = image.Deactivated
		return nil
	})
}

func (a *API) reactivate(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	return a.act(w, r, scope, "reactivate", func(i *image.Image) error {
		if i.Status != image.Active && i.Status != image.Deactivated {
			return forbidden("Not allowed to reactivate image in status '%s'", i.Status)
		}
		i.Status = image.Active
		return nil
	})
}

// act changes an image and answers 204.
func (a *API) act(w http.ResponseWriter, r *http.Request, scope auth.Scope, rule string, change func(*image.Image) error) error {
	img, scope, err := a.may(r, scope, rule)
	if err != nil {
		return err
	}
	if _, err := a.images.Update(r.Context(), scope, img.ID, func(i *image.Image, _ bool) error { return change(i) }); err != nil {
		return err
	}
	return rest.Empty(w, http.StatusNoContent)
}

func (a *API) addTag(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	return a.act(w, r, scope, "modify_image", func(i *image.Image) error {
		i.Tags = append(i.Tags, r.PathValue("tag_value"))
		return nil
	})
}

func (a *API) removeTag(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	tag := r.PathValue("tag_value")
	return a.act(w, r, scope, "modify_image", func(i *image.Image) error {
		if !slices.Contains(i.Tags, tag) {
			return fault.New(fault.CodeImageNotFound, "Image %s has no tag %s.", i.ID, tag)
		}
		i.Tags = slices.DeleteFunc(i.Tags, func(t string) bool { return t == tag })
		return nil
	})
}
