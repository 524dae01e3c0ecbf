package identity

import (
	"context"
	"encoding/json"
	"maps"
	"strings"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/page"
)

// Attrs are the members of a request body. The schema has already seen to their
// types; what an object does not know becomes an extra attribute of it.
type Attrs map[string]any

// text takes a member that is a string or null.
func (a Attrs) text(name string, into *string) {
	if v, has := a[name]; has {
		*into, _ = v.(string)
		delete(a, name)
	}
}

// flag takes a boolean, also in the spellings that the API lets through.
func (a Attrs) flag(name string, into *bool) {
	v, has := a[name]
	if !has {
		return
	}
	delete(a, name)
	switch v := v.(type) {
	case bool:
		*into = v
	case string:
		switch strings.ToLower(v) {
		case "true", "1", "on", "yes":
			*into = true
		case "false", "0", "off", "no":
			*into = false
		}
	}
}

func (a Attrs) number(name string, into *int64) {
	if v, has := a[name]; has {
		switch v := v.(type) {
		case json.Number:
			*into, _ = v.Int64()
		case float64:
			*into = int64(v)
		}
		delete(a, name)
	}
}

func (a Attrs) texts(name string, into *[]string) {
	v, has := a[name]
	if !has {
		return
	}
	delete(a, name)
	*into = nil
	list, _ := v.([]any)
	for _, e := range list {
		if s, ok := e.(string); ok {
			*into = append(*into, s)
		}
	}
}

// options merges, as a null removes one.
func (a Attrs) options(into *Extra) {
	v, _ := a["options"].(map[string]any)
	delete(a, "options")
	if v == nil {
		return
	}
	merged := maps.Clone(*into)
	if merged == nil {
		merged = Extra{}
	}
	for name, value := range v {
		if value == nil {
			delete(merged, name)
			continue
		}
		merged[name] = value
	}
	*into = merged
}

// rest takes all that is left.
func (a Attrs) rest(into *Extra) {
	delete(a, "id")
	delete(a, "links")
	if len(a) == 0 {
		return
	}
	merged := maps.Clone(*into)
	if merged == nil {
		merged = Extra{}
	}
	maps.Copy(merged, a)
	*into = merged
}

// kind ties a table to how its objects are named in faults and in policy.
type kind[T any] struct {
	noun   string
	table  Table[T]
	target func(T) auth.Target
}

// get reads an object and decides the route's rule on it. One that is not there
// is 404 only for those who might have seen it.
func (k kind[T]) get(ctx context.Context, r db.Reader, scope auth.Scope, id string) (T, error) {
	v, found, err := k.table.Get(ctx, r, id)
	if err != nil {
		return v, err
	}
	var target auth.Target
	if found && k.target != nil {
		target = k.target(v)
	}
	if err := scope.Check(scope.Rule, target); err != nil {
		return v, err
	}
	if !found {
		return v, notFound(k.noun, id)
	}
	return v, nil
}

// List is what a client asks of a list: conditions and paging.
type List struct {
	Match []Match
	Page  page.Request
}

// page reads a list on which the route's rule was decided by target.
func (k kind[T]) page(ctx context.Context, r db.Reader, scope auth.Scope, l List, target auth.Target) ([]T, bool, error) {
	if err := scope.Check(scope.Rule, target); err != nil {
		return nil, false, err
	}
	return k.table.Page(ctx, r, l.Page, l.Match...)
}

// need wants an object to be there.
func (k kind[T]) need(ctx context.Context, r db.Reader, id string) error {
	_, found, err := k.table.Get(ctx, r, id)
	if err == nil && !found {
		err = notFound(k.noun, id)
	}
	return err
}

// change lets edit change an object of which the rule lets it.
func (k kind[T]) change(ctx context.Context, tx *db.Tx, scope auth.Scope, id string, edit func(*T) error) (T, error) {
	v, err := k.get(ctx, tx, scope, id)
	if err != nil {
		return v, err
	}
	if err := edit(&v); err != nil {
		return v, err
	}
	return v, k.table.Save(ctx, tx, v)
}

// remove deletes an object of which the rule lets it.
func (k kind[T]) remove(ctx context.Context, tx *db.Tx, scope auth.Scope, id string) error {
	if _, err := k.get(ctx, tx, scope, id); err != nil {
		return err
	}
	_, err := k.table.Remove(ctx, tx, Is("id", id))
	return err
}

// insert turns a name that is taken into a conflict.
func (k kind[T]) insert(ctx context.Context, tx *db.Tx, v T, what string) error {
	return k.taken(k.table.Insert(ctx, tx, v), what)
}

func (k kind[T]) save(ctx context.Context, tx *db.Tx, v T, what string) error {
	return k.taken(k.table.Save(ctx, tx, v), what)
}

func (k kind[T]) taken(err error, what string) error {
	if db.IsUnique(err) {
		return fault.Because(err, fault.CodeIdentityDuplicate, "Conflict occurred attempting to store %s - Duplicate entry found with %s.", strings.ReplaceAll(k.noun, " ", "_"), what)
	}
	return err
}

func invalid(field, format string, args ...any) error {
	return fault.New(fault.CodeIdentityInvalid, format, args...).WithField(field)
}

func forbidden(format string, args ...any) error {
	return fault.New(fault.CodeIdentityForbidden, format, args...)
}

// cloned lets a closure that may run twice take attributes each time anew.
func cloned(a Attrs) Attrs { return maps.Clone(a) }

// mayChange refuses changes of an object whose option immutable is set, but for
// one that only sets the option. a is nil for a deletion.
func mayChange(noun, id string, o Extra, a Attrs) error {
	if fixed, _ := o["immutable"].(bool); !fixed {
		return nil
	}
	if options, _ := a["options"].(map[string]any); len(a) == 1 && options != nil {
		if _, has := options["immutable"]; has {
			return nil
		}
	}
	verb := "update"
	if a == nil {
		verb = "delete"
	}
	return forbidden("Unable to %s immutable %s resource: `%s. Set resource option \"immutable\" to false first.", verb, noun, id)
}
