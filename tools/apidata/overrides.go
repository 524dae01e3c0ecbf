package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// fix is one correction of overrides.json. It names entries by service,
// method, path, action, kind and, when min is given, the window that begins
// there, and does one thing to each.
type fix struct {
	Service, Method, Path, Action, Kind, Min, Max, Why string

	Drop  bool           // the service checks this itself
	Patch map[string]any // JSON pointer to new value; null deletes
	Add   map[string]any // a whole new schema, for an entry the file lacks

	used bool
}

type fixes struct{ list []*fix }

func readFixes(name string) (*fixes, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var f fixes
	if err := json.Unmarshal(data, &f.list); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &f, nil
}

func (f *fixes) apply(service string, entries []entry) ([]entry, error) {
	for _, x := range f.list {
		if x.Service != service {
			continue
		}
		if x.Add != nil {
			added := entry{method: x.Method, path: x.Path, action: x.Action, kind: x.Kind, schema: x.Add}
			added.min, _ = parseVersion(x.Min)
			added.max, _ = parseVersion(x.Max)
			entries, x.used = append(entries, added), true
			continue
		}
		if x.Drop {
			before := len(entries)
			entries = slices.DeleteFunc(entries, x.matches)
			x.used = len(entries) < before
			continue
		}
		for i, e := range entries {
			if !x.matches(e) {
				continue
			}
			x.used = true
			for pointer, value := range x.Patch {
				if err := patch(entries[i].schema, pointer, value); err != nil {
					return nil, fmt.Errorf("overrides.json: %s %s %s: %w", x.Method, x.Path, pointer, err)
				}
			}
		}
	}
	return entries, nil
}

func (x *fix) matches(e entry) bool {
	return e.method == x.Method && e.path == x.Path && e.action == x.Action && e.kind == x.Kind &&
		(x.Min == "" || e.min.String() == x.Min)
}

// unused fails when a correction corrects nothing any more.
func (f *fixes) unused() error {
	for _, x := range f.list {
		if !x.used {
			return fmt.Errorf("overrides.json: nothing matches %s %s %s %s (%s)", x.Service, x.Method, x.Path, x.Action, x.Why)
		}
	}
	return nil
}

// patch sets or deletes the value at a JSON pointer through objects.
func patch(schema map[string]any, pointer string, value any) error {
	segments := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	at := schema
	for _, s := range segments[:len(segments)-1] {
		next, ok := at[unescape(s)].(map[string]any)
		if !ok {
			return fmt.Errorf("%q is not an object", s)
		}
		at = next
	}
	last := unescape(segments[len(segments)-1])
	if value == nil {
		delete(at, last)
		return nil
	}
	at[last] = value
	return nil
}

func unescape(s string) string {
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(s)
}
