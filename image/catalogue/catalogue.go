// Package catalogue owns the list of operating systems' images that are ready to
// be fetched: where each lies, what it needs, and which hash its bytes must have.
//
// The list is data: what comes with the cloud, and a file of the operator's that
// adds to it or changes it. Nothing is fetched without being asked for, and
// nothing is used whose hash is not the one that was pinned or that the
// distributor publishes beside it over a connection of its own.
//
// A download that was cut goes on where it stopped. Two of the same file into one
// folder at a time are kept apart by nothing: the hash tells.
package catalogue

import (
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

//go:embed builtin.yaml
var builtin []byte

// Image is one entry. MinDisk is GiB, MinRAM MiB.
type Image struct {
	Name       string            `yaml:"name"`
	Title      string            `yaml:"title"`
	URL        string            `yaml:"url"`
	Sums       string            `yaml:"sums"`
	Hash       string            `yaml:"hash"`
	Algorithm  string            `yaml:"algorithm"` // sha256 or sha512
	Format     string            `yaml:"format"`    // disk format; qcow2 unless said otherwise
	Arches     map[string]string `yaml:"arches"`    // processor to the distributor's name of it
	MinDisk    int               `yaml:"min_disk"`
	MinRAM     int               `yaml:"min_ram"`
	User       string            `yaml:"user"` // account that takes the key pair
	Properties map[string]string `yaml:"properties"`
}

// Load reads the list that comes with the cloud and, over it, the file if there
// is one.
func Load(file string) ([]Image, error) {
	list, err := parse(builtin)
	if err != nil {
		return nil, fmt.Errorf("built-in catalogue: %w", err)
	}
	if file == "" {
		return list, nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return list, nil
	}
	if err != nil {
		return nil, err
	}
	own, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, img := range own {
		if i := slices.IndexFunc(list, func(o Image) bool { return o.Name == img.Name }); i >= 0 {
			list[i] = img
			continue
		}
		list = append(list, img)
	}
	return list, nil
}

func parse(data []byte) ([]Image, error) {
	var f struct {
		Images []Image `yaml:"images"`
	}
	if err := yaml.UnmarshalWithOptions(data, &f, yaml.Strict()); err != nil {
		return nil, err
	}
	for i := range f.Images {
		if err := f.Images[i].check(); err != nil {
			return nil, fmt.Errorf("image %d (%s): %w", i+1, f.Images[i].Name, err)
		}
	}
	return f.Images, nil
}

func (i *Image) check() error {
	if i.Format == "" {
		i.Format = "qcow2"
	}
	switch {
	case i.Name == "" || strings.ContainsAny(i.Name, "/\\ "):
		return errors.New("name is a word without blanks and slashes")
	case i.Algorithm != "sha256" && i.Algorithm != "sha512":
		return errors.New("algorithm is sha256 or sha512")
	case i.Hash == "" && i.Sums == "":
		return errors.New("hash or sums is needed: what cannot be checked is not fetched")
	case strings.Contains(i.URL, "{arch}") && len(i.Arches) == 0:
		return errors.New("arches says what {arch} is")
	}
	if raw, err := hex.DecodeString(i.Hash); err != nil || i.Hash != "" && len(raw) != map[string]int{"sha256": 32, "sha512": 64}[i.Algorithm] {
		return errors.New("hash is not one of its algorithm, in hexadecimal")
	}
	for _, text := range []string{i.URL, i.Sums} {
		if u, err := url.Parse(text); text != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
			return fmt.Errorf("%q is no http or https URL", text)
		}
	}
	return nil
}

// For answers the entry for one processor, with its addresses filled in.
func (i Image) For(arch string) (Image, error) {
	name, has := i.Arches[arch]
	if !has && len(i.Arches) > 0 {
		return i, fmt.Errorf("%s is there for %s, not for %s", i.Name, strings.Join(sorted(i.Arches), ", "), arch)
	}
	i.URL, i.Sums = strings.ReplaceAll(i.URL, "{arch}", name), strings.ReplaceAll(i.Sums, "{arch}", name)
	return i, nil
}

func sorted(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Named finds an entry.
func Named(list []Image, name string) (Image, error) {
	for _, i := range list {
		if i.Name == name {
			return i, nil
		}
	}
	return Image{}, fmt.Errorf("the catalogue has no image %s; 'altostack image catalog list' shows what it has", name)
}
