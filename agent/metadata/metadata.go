// Package metadata says to a guest who it is: the one renderer behind the HTTP
// metadata service and the config drive, so that both always tell the same.
//
// A [Server] is a description and the wiring of its ports; rendering it is a
// pure function of the two, apart from random_seed, whose source is injected.
// Nothing in here is shared, so nothing races.
//
// Formats: OpenStack (openstack/<version>/...) and EC2 (<version>/meta-data/...)
// as doc/source/user/metadata.rst of Nova describes them. On purpose differently:
// injected files are in the HTTP answer too, and admin_pass is on the drive only,
// since every process of a guest can ask over HTTP.
package metadata

import (
	"io"
	"slices"
	"sort"
	"strings"

	"altostack/hostapi"
)

// Server is one guest as the metadata service sees it.
type Server struct {
	Guest    hostapi.Guest
	Net      hostapi.HostNetwork // at least the guest's ports and their networks
	Password string              // what the guest posted, encrypted by itself; empty: nothing yet
	Rand     io.Reader           // source of random_seed
}

// Versions of the OpenStack format, oldest first.
const (
	folsom   = "2012-08-10"
	grizzly  = "2013-04-04" // random_seed, password
	havana   = "2013-10-17" // vendor_data.json
	liberty  = "2015-10-15" // project_id, network_data.json
	newton1  = "2016-06-30" // devices
	newton2  = "2016-10-06" // vendor_data2.json
	ocata    = "2017-02-22" // vlans of devices
	rocky    = "2018-08-27" // vf_trusted of devices
	victoria = "2020-10-14" // dedicated_cpus
	epoxy    = "2025-04-04" // shares
	latest   = "latest"
)

var openstackVersions = []string{folsom, grizzly, havana, liberty, newton1, newton2, ocata, rocky, victoria, epoxy}

var ec2Versions = []string{"1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10",
	"2007-12-15", "2008-02-01", "2008-09-01", "2009-04-04"}

// since reports whether version is required or newer; both are dates, "1.0"
// sorts first.
func since(required, version string) bool { return version >= required }

// Content is one answer of the metadata service.
type Content struct {
	Type string // text/plain or application/json
	Body []byte
}

// Lookup answers the content at an HTTP path, or false where there is none.
// The password is not content: see [IsPassword].
func (s Server) Lookup(path string) (Content, bool) {
	tokens := tokensOf(path)
	switch {
	case len(tokens) == 0 || len(tokens) == 1 && tokens[0] == "ec2":
		return text(strings.Join(append(slices.Clone(ec2Versions), latest), "\n")), true
	case tokens[0] == "openstack":
		return s.openstack(tokens[1:])
	case tokens[0] == "ec2":
		tokens = tokens[1:]
	}
	return s.ec2(tokens)
}

// IsPassword reports whether path is where a guest posts its password.
func IsPassword(path string) bool {
	tokens := tokensOf(path)
	if len(tokens) != 3 || tokens[0] != "openstack" || tokens[2] != "password" {
		return false
	}
	version, ok := openstackVersion(tokens[1])
	return ok && since(grizzly, version)
}

// Drive answers the files of the guest's config drive by path.
func (s Server) Drive() map[string][]byte {
	files := map[string][]byte{}
	for _, version := range append(slices.Clone(ec2Versions), latest) {
		s.ec2Drive(files, version)
	}
	for _, version := range append(slices.Clone(openstackVersions), latest) {
		s.openstackDrive(files, version)
	}
	for i, f := range s.Guest.Instance.Files {
		files["openstack/content/"+contentKey(i)] = f.Contents
	}
	return files
}

func tokensOf(path string) []string {
	var tokens []string
	for t := range strings.SplitSeq(path, "/") {
		if t != "" && t != "." {
			tokens = append(tokens, t)
		}
	}
	return tokens
}

func text(s string) Content { return Content{Type: "text/plain", Body: []byte(s)} }

// tree is a directory of the EC2 format: values are tree, string or []string.
type tree map[string]any

// named is a directory that its parent lists under another name, which EC2
// does for public keys.
type named struct {
	shown string
	tree  tree
}

// find walks down from t.
func (t tree) find(tokens []string) (any, bool) {
	var at any = t
	for _, token := range tokens {
		dir, ok := at.(tree)
		if n, is := at.(named); is {
			dir, ok = n.tree, true
		}
		if !ok {
			return nil, false
		}
		if at, ok = dir[token]; !ok {
			return nil, false
		}
	}
	return at, true
}

// render shows a node the way EC2 does: directories end in a slash.
func render(node any) string {
	switch v := node.(type) {
	case named:
		return render(v.tree)
	case tree:
		var lines []string
		for name, child := range v {
			switch c := child.(type) {
			case named:
				name = c.shown
			case tree:
				name += "/"
			}
			lines = append(lines, name)
		}
		sort.Strings(lines)
		return strings.Join(lines, "\n")
	case []string:
		return strings.Join(v, "\n")
	case string:
		return v
	}
	return ""
}
