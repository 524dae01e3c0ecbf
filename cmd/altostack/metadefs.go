package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"altostack/client"
	"altostack/image/metadefs"
)

func imageCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "image", Short: "Ready images, and metadata definitions"}
	cmd.AddCommand(catalogCommand(), metadefsCommand())
	return cmd
}

func metadefsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "metadefs", Short: "Load and save metadata definitions, as glance-manage does",
		Long: `Load and save metadata definitions: what properties images, flavors and volumes
may carry, for dashboards to offer. Files are those of glance-manage.`}
	cmd.AddCommand(metadefsLoad(), metadefsExport(), metadefsUnload())
	return cmd
}

func metadefsLoad() *cobra.Command {
	var data string
	var merge, preferNew, overwrite bool
	cmd := &cobra.Command{Use: "load [DIR]", Short: "Load every *.json of a directory, or the definitions that come with the cloud", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (preferNew || overwrite) && !merge || preferNew && overwrite {
				return coded{errors.New("--prefer-new or --overwrite, one of them, goes with --merge"), exitUsage}
			}
			dir := metadefs.Standard()
			if len(args) == 1 {
				dir = os.DirFS(args[0])
			}
			files, err := metadefs.Read(dir)
			if err != nil {
				return err
			}
			cloud, err := session(cmd, data)
			if err != nil {
				return err
			}
			l := loader{cloud, merge, preferNew, overwrite}
			for _, f := range files {
				what, err := l.load(cmd.Context(), f)
				if err != nil {
					return fmt.Errorf("%s: %w", f.Namespace, err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", f.Namespace, what)
			}
			return nil
		}}
	dataFlag(cmd, &data)
	cmd.Flags().BoolVar(&merge, "merge", false, "add what is missing to namespaces that are there")
	cmd.Flags().BoolVar(&preferNew, "prefer-new", false, "with --merge: what is there already becomes as the file says")
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "with --merge: namespaces that are there are removed first")
	return cmd
}

const namespacesPath = "/v2/metadefs/namespaces"

// loader brings files into a cloud over its API.
type loader struct {
	cloud                       *client.Cloud
	merge, preferNew, overwrite bool
}

func (l loader) do(ctx context.Context, method, path string, in, out any) error {
	return l.cloud.Do(ctx, method, "image", namespacesPath+path, in, out)
}

// load reports what became of a file.
func (l loader) load(ctx context.Context, f metadefs.File) (string, error) {
	var have metadefs.File
	err := l.do(ctx, "GET", "/"+f.Namespace, nil, &have)
	switch {
	case client.IsNotFound(err):
		return "loaded", l.do(ctx, "POST", "", f, nil)
	case err != nil:
		return "", err
	case !l.merge:
		return "is there already", nil
	case l.overwrite:
		if err := l.drop(ctx, have); err != nil {
			return "", err
		}
		return "overwritten", l.do(ctx, "POST", "", f, nil)
	}
	return "merged", l.mergeInto(ctx, have, f)
}

// bare is a namespace without what it holds.
func bare(f metadefs.File) metadefs.File {
	f.Associations, f.Properties, f.Objects, f.Tags = nil, nil, nil, nil
	return f
}

func (l loader) drop(ctx context.Context, f metadefs.File) error {
	if f.Protected {
		f := bare(f)
		f.Protected = false
		if err := l.do(ctx, "PUT", "/"+f.Namespace, f, nil); err != nil {
			return err
		}
	}
	return l.do(ctx, "DELETE", "/"+f.Namespace, nil, nil)
}

func (l loader) mergeInto(ctx context.Context, have, f metadefs.File) error {
	at := "/" + f.Namespace
	if l.preferNew {
		if err := l.do(ctx, "PUT", at, bare(f), nil); err != nil {
			return err
		}
	}
	there := map[string]bool{}
	for _, a := range have.Associations {
		there["a "+a.Name] = true
	}
	for _, o := range have.Objects {
		there["o "+o.Name] = true
	}
	for _, t := range have.Tags {
		there["t "+metadefs.Key(metadefs.Tag, t.Name)] = true
	}
	for _, a := range f.Associations {
		if err := l.put(ctx, there["a "+a.Name], at+"/resource_types", "", a); err != nil {
			return err
		}
	}
	for name, schema := range f.Properties {
		var p map[string]any
		if err := json.Unmarshal(schema, &p); err != nil {
			return err
		}
		p["name"] = name
		if err := l.put(ctx, have.Properties[name] != nil, at+"/properties", name, p); err != nil {
			return err
		}
	}
	for _, o := range f.Objects {
		if err := l.put(ctx, there["o "+o.Name], at+"/objects", o.Name, o); err != nil {
			return err
		}
	}
	for _, t := range f.Tags {
		if !there["t "+metadefs.Key(metadefs.Tag, t.Name)] {
			if err := l.do(ctx, "POST", at+"/tags/"+t.Name, nil, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// put makes one part; one that is there already is changed only if new ones are
// preferred and it can be changed: an association has no name to change it by.
func (l loader) put(ctx context.Context, there bool, path, name string, body any) error {
	switch {
	case !there:
		return l.do(ctx, "POST", path, body, nil)
	case l.preferNew && name != "":
		return l.do(ctx, "PUT", path+"/"+name, body, nil)
	}
	return nil
}

// namespaces names every namespace of a cloud.
func namespaces(ctx context.Context, cloud *client.Cloud) ([]string, error) {
	var names []string
	for path := namespacesPath + "?limit=100"; path != ""; {
		var page struct {
			Namespaces []metadefs.File `json:"namespaces"`
			Next       string          `json:"next"`
		}
		if err := cloud.Do(ctx, "GET", "image", path, nil, &page); err != nil {
			return nil, err
		}
		for _, f := range page.Namespaces {
			names = append(names, f.Namespace)
		}
		path = page.Next
	}
	return names, nil
}

// withoutGenerated leaves out the members of answers that files do not have.
func withoutGenerated(f metadefs.File) (metadefs.File, error) {
	f.Owner = "" // an id of this cloud
	for name, schema := range f.Properties {
		var p map[string]any
		if err := json.Unmarshal(schema, &p); err != nil {
			return f, err
		}
		delete(p, "name")
		text, err := json.Marshal(p)
		if err != nil {
			return f, err
		}
		f.Properties[name] = text
	}
	return f, nil
}

func metadefsExport() *cobra.Command {
	var data string
	cmd := &cobra.Command{Use: "export DIR", Short: "Write every namespace to a file of its own in a directory", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cloud, err := session(cmd, data)
			if err != nil {
				return err
			}
			names, err := namespaces(cmd.Context(), cloud)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return err
			}
			for _, name := range names {
				var f metadefs.File
				if err := cloud.Do(cmd.Context(), "GET", "image", namespacesPath+"/"+name, nil, &f); err != nil {
					return err
				}
				if f, err = withoutGenerated(f); err != nil {
					return err
				}
				text, err := json.MarshalIndent(f, "", "  ")
				if err != nil {
					return err
				}
				path := filepath.Join(args[0], f.FileName())
				if err := os.WriteFile(path, append(text, '\n'), fs.FileMode(0o644)); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s written to %s\n", name, path)
			}
			return nil
		}}
	dataFlag(cmd, &data)
	return cmd
}

func metadefsUnload() *cobra.Command {
	var data string
	cmd := &cobra.Command{Use: "unload", Short: "Remove every metadata definition, protected ones included", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cloud, err := session(cmd, data)
			if err != nil {
				return err
			}
			names, err := namespaces(cmd.Context(), cloud)
			if err != nil {
				return err
			}
			l := loader{cloud: cloud}
			for _, name := range names {
				var f metadefs.File
				if err := l.do(cmd.Context(), "GET", "/"+name, nil, &f); err != nil {
					return err
				}
				if err := l.drop(cmd.Context(), f); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d namespaces removed\n", len(names))
			return nil
		}}
	dataFlag(cmd, &data)
	return cmd
}
