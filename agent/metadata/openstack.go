package metadata

import (
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"

	"altostack/hostapi"
)

func openstackVersion(v string) (string, bool) {
	if v == latest {
		return epoxy, true
	}
	return v, slices.Contains(openstackVersions, v)
}

func (s Server) openstack(tokens []string) (Content, bool) {
	if len(tokens) == 0 {
		return text(strings.Join(append(slices.Clone(openstackVersions), latest), "\n")), true
	}
	if tokens[0] == "content" {
		return s.content(tokens[1:])
	}
	version, ok := openstackVersion(tokens[0])
	switch {
	case !ok || len(tokens) > 2:
		return Content{}, false
	case len(tokens) == 1:
		return text(strings.Join(s.listing(version), "\n")), true
	}
	name := tokens[1]
	if name == "password" {
		return text(s.Password), since(grizzly, version)
	}
	body, ok := s.file(version, name, false)
	if !ok {
		return Content{}, false
	}
	if name == "user_data" {
		return Content{Type: "application/octet-stream", Body: body}, true
	}
	return Content{Type: "application/json", Body: body}, true
}

// listing names the files of a version.
func (s Server) listing(version string) []string {
	names := []string{"meta_data.json"}
	if len(s.Guest.Instance.UserData) > 0 {
		names = append(names, "user_data")
	}
	for _, f := range []struct{ since, name string }{{grizzly, "password"}, {havana, "vendor_data.json"},
		{liberty, "network_data.json"}, {newton2, "vendor_data2.json"}} {
		if since(f.since, version) {
			names = append(names, f.name)
		}
	}
	return names
}

// file renders one file of a version; drive adds what only a config drive says.
func (s Server) file(version, name string, drive bool) ([]byte, bool) {
	switch name {
	case "meta_data.json":
		return encode(s.metaData(version, drive)), true
	case "user_data":
		return s.Guest.Instance.UserData, len(s.Guest.Instance.UserData) > 0
	case "vendor_data.json":
		return []byte("{}"), since(havana, version)
	case "network_data.json":
		return encode(s.networkData()), since(liberty, version)
	case "vendor_data2.json":
		return []byte(`{"static":{}}`), since(newton2, version)
	}
	return nil, false
}

func (s Server) openstackDrive(files map[string][]byte, version string) {
	v, _ := openstackVersion(version)
	for _, name := range s.listing(v) {
		if body, ok := s.file(v, name, true); ok {
			files["openstack/"+version+"/"+name] = body
		}
	}
}

func contentKey(i int) string { return fmt.Sprintf("%04d", i) }

func (s Server) content(tokens []string) (Content, bool) {
	if len(tokens) != 1 {
		return Content{}, false
	}
	for i, f := range s.Guest.Instance.Files {
		if contentKey(i) == tokens[0] {
			return Content{Type: "application/octet-stream", Body: f.Contents}, true
		}
	}
	return Content{}, false
}

// metaData is meta_data.json; absent members are as Nova leaves them out.
type metaData struct {
	UUID             string            `json:"uuid"`
	Meta             map[string]string `json:"meta,omitempty"`
	Files            []fileRef         `json:"files,omitempty"`
	AdminPass        string            `json:"admin_pass,omitempty"`
	PublicKeys       map[string]string `json:"public_keys,omitempty"`
	Keys             []key             `json:"keys,omitempty"`
	Hostname         string            `json:"hostname"`
	Name             string            `json:"name"`
	LaunchIndex      int               `json:"launch_index"`
	AvailabilityZone string            `json:"availability_zone"`
	RandomSeed       string            `json:"random_seed,omitempty"`
	ProjectID        string            `json:"project_id,omitempty"`
	Devices          *[]device         `json:"devices,omitempty"`
	DedicatedCPUs    *[]int            `json:"dedicated_cpus,omitempty"`
}

type fileRef struct {
	Path        string `json:"path"`
	ContentPath string `json:"content_path"`
}

type key struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Data string `json:"data"`
}

// device is one tagged device. Its address is the hypervisor's to choose, and
// "none" is what Nova says of one it does not know.
type device struct {
	VFTrusted *bool    `json:"vf_trusted,omitempty"`
	Type      string   `json:"type"`
	MAC       string   `json:"mac,omitempty"`
	Serial    string   `json:"serial,omitempty"`
	Path      string   `json:"path,omitempty"`
	Bus       string   `json:"bus"`
	Address   string   `json:"address"`
	Tags      []string `json:"tags"`
}

func (s Server) metaData(version string, drive bool) metaData {
	i := s.Guest.Instance
	m := metaData{
		UUID: i.UUID, Meta: i.Metadata, Hostname: i.Hostname, Name: i.Name,
		LaunchIndex: i.LaunchIndex, AvailabilityZone: i.AvailabilityZone,
	}
	for n, f := range i.Files {
		m.Files = append(m.Files, fileRef{Path: f.Path, ContentPath: "/content/" + contentKey(n)})
	}
	if drive {
		m.AdminPass = i.AdminPass
	}
	if i.KeyName != "" && i.PublicKey != "" {
		m.PublicKeys = map[string]string{i.KeyName: i.PublicKey}
		m.Keys = []key{{Name: i.KeyName, Type: keyType(i.KeyType), Data: i.PublicKey}}
	}
	if since(grizzly, version) {
		m.RandomSeed = s.seed()
	}
	if since(liberty, version) {
		m.ProjectID = i.ProjectID
	}
	if since(newton1, version) {
		devices := s.devices(version)
		m.Devices = &devices
	}
	if since(victoria, version) {
		m.DedicatedCPUs = &[]int{}
	}
	return m
}

func keyType(t string) string {
	if t == "" {
		return "ssh"
	}
	return t
}

// seed is 512 bytes for the guest's entropy pool, as Nova gives.
func (s Server) seed() string {
	b := make([]byte, 512)
	if _, err := io.ReadFull(s.Rand, b); err != nil {
		return "" // the guest has a virtio-rng besides
	}
	return base64.StdEncoding.EncodeToString(b)
}

// devices lists what the user tagged.
func (s Server) devices(version string) []device {
	list := []device{}
	for _, n := range s.Guest.NICs {
		if n.DeviceTag == "" {
			continue
		}
		d := device{Type: "nic", MAC: n.MAC, Bus: "pci", Address: "none", Tags: []string{n.DeviceTag}}
		if since(rocky, version) {
			d.VFTrusted = new(bool)
		}
		list = append(list, d)
	}
	for _, disk := range s.Guest.Disks {
		if disk.DeviceTag != "" {
			list = append(list, device{Type: "disk", Serial: disk.Serial, Path: disk.Device,
				Bus: diskBus(disk), Address: "none", Tags: []string{disk.DeviceTag}})
		}
	}
	return list
}

func diskBus(d hostapi.Disk) string {
	switch d.Bus {
	case "scsi", "ide":
		return d.Bus
	}
	return "pci" // virtio-blk is a PCI device
}
