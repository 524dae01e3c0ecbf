package metadefs

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

//go:embed catalogue/*.json
var catalogue embed.FS

// Standard are the files of the definitions that come with the cloud: what its
// own services honour.
func Standard() fs.FS {
	sub, err := fs.Sub(catalogue, "catalogue")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return sub
}

// File is a namespace as files spell it, and as the API takes it.
type File struct {
	Namespace    string                     `json:"namespace"`
	DisplayName  string                     `json:"display_name,omitempty"`
	Description  string                     `json:"description,omitempty"`
	Visibility   string                     `json:"visibility,omitempty"`
	Protected    bool                       `json:"protected"`
	Owner        string                     `json:"owner,omitempty"`
	Associations []FileAssociation          `json:"resource_type_associations,omitempty"`
	Properties   map[string]json.RawMessage `json:"properties,omitempty"`
	Objects      []FileObject               `json:"objects,omitempty"`
	Tags         []FileTag                  `json:"tags,omitempty"`
}

// FileAssociation is an association of a File.
type FileAssociation struct {
	Name   string `json:"name"`
	Prefix string `json:"prefix,omitempty"`
	Target string `json:"properties_target,omitempty"`
}

// FileObject is an object of a File.
type FileObject struct {
	Name        string                     `json:"name,omitempty"`
	Description string                     `json:"description,omitempty"`
	Required    []string                   `json:"required,omitempty"`
	Properties  map[string]json.RawMessage `json:"properties,omitempty"`
}

// FileTag is a tag of a File.
type FileTag struct {
	Name string `json:"name"`
}

// Read reads every *.json of a directory.
func Read(dir fs.FS) ([]File, error) {
	names, err := fs.Glob(dir, "*.json")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("there is no *.json file")
	}
	out := make([]File, 0, len(names))
	for _, name := range names {
		data, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		var f File
		if err := json.Unmarshal(data, &f); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if f.Namespace == "" {
			return nil, fmt.Errorf("%s names no namespace", name)
		}
		out = append(out, f)
	}
	return out, nil
}

// Whole is the namespace that a file describes.
func (f File) Whole() Whole {
	w := Whole{Namespace: Namespace{Name: f.Namespace, DisplayName: f.DisplayName, Description: f.Description, Visibility: f.Visibility, Protected: f.Protected, Owner: f.Owner}}
	for _, a := range f.Associations {
		w.Associations = append(w.Associations, Association{Type: a.Name, Prefix: a.Prefix, Target: a.Target})
	}
	for _, name := range slices.Sorted(maps.Keys(f.Properties)) {
		w.Definitions = append(w.Definitions, Definition{Kind: Property, Name: name, Body: f.Properties[name]})
	}
	for _, o := range f.Objects {
		w.Definitions = append(w.Definitions, o.Definition())
	}
	for _, t := range f.Tags {
		w.Definitions = append(w.Definitions, Definition{Kind: Tag, Name: t.Name})
	}
	return w
}

// Definition is the object as it is kept: its name stands beside its body.
func (o FileObject) Definition() Definition {
	name := o.Name
	o.Name = ""
	body, err := json.Marshal(o)
	if err != nil {
		panic(err) // raw messages that were read as JSON
	}
	return Definition{Kind: Object, Name: name, Body: body}
}

// FileName is the name of a namespace's file.
func (f File) FileName() string {
	keep := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}
	parts := strings.FieldsFunc(strings.Map(keep, strings.ToLower(strings.TrimPrefix(f.Namespace, "OS::"))), func(r rune) bool { return r == '-' })
	return strings.Join(parts, "-") + ".json"
}
