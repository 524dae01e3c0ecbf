package metadata

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

func ec2Version(v string) (string, bool) {
	if v == latest {
		return ec2Versions[len(ec2Versions)-1], true
	}
	return v, slices.Contains(ec2Versions, v)
}

func (s Server) ec2(tokens []string) (Content, bool) {
	version, ok := ec2Version(tokens[0])
	if !ok {
		return Content{}, false
	}
	root := tree{"meta-data": s.ec2Tree(version)}
	if len(s.Guest.Instance.UserData) > 0 {
		root["user-data"] = string(s.Guest.Instance.UserData)
	}
	node, ok := root.find(tokens[1:])
	if !ok {
		return Content{}, false
	}
	return text(render(node)), true
}

// ec2Tree is the meta-data directory as the version had it.
func (s Server) ec2Tree(version string) tree {
	i := s.Guest.Instance
	fixed, floating := s.addresses()
	t := tree{
		"ami-id":            amiID(i.ImageID),
		"ami-launch-index":  strconv.Itoa(i.LaunchIndex),
		"ami-manifest-path": "FIXME", // Nova's word, which clients of EC2 have come to expect
		"instance-id":       i.EC2ID,
		"hostname":          i.Hostname,
		"local-ipv4":        fixed,
		"reservation-id":    i.ReservationID,
		"security-groups":   slices.Clone(i.SecurityGroups),
	}
	if i.KeyName != "" {
		t["public-keys"] = tree{"0": named{shown: "0=" + i.KeyName, tree: tree{"openssh-key": i.PublicKey}}}
	}
	if since("2007-01-19", version) {
		maps.Copy(t, tree{"local-hostname": i.Hostname, "public-hostname": i.Hostname, "public-ipv4": floating})
	}
	if since("2007-08-29", version) {
		t["instance-type"] = i.Flavor
	}
	if since("2007-12-15", version) {
		t["block-device-mapping"] = s.blockDevices()
	}
	if since("2008-02-01", version) {
		t["placement"] = tree{"availability-zone": i.AvailabilityZone}
	}
	if since("2008-09-01", version) {
		t["instance-action"] = "none"
	}
	return t
}

// blockDevices maps EC2's names of disks to device names.
func (s Server) blockDevices() tree {
	root := "/dev/vda"
	t := tree{}
	for _, d := range s.Guest.Disks {
		switch {
		case d.BootIndex == 0 && d.Device != "":
			root = d.Device
		case d.ID == "swap" || strings.HasPrefix(d.ID, "ephemeral"):
			t[d.ID] = d.Device
		}
	}
	t["root"], t["ami"] = root, strings.TrimPrefix(root, "/dev/")
	return t
}

// addresses answers the first IPv4 address of the first card, and the floating
// address in front of it where this host knows of one.
func (s Server) addresses() (fixed, floating string) {
	for _, port := range s.ports() {
		for _, f := range port.Fixed {
			if !f.Addr.Is4() {
				continue
			}
			if fixed == "" {
				fixed = f.Addr.String()
			}
			for _, r := range s.Net.Routers {
				for _, fip := range r.FloatingIPs {
					if floating == "" && fip.Protocol == 0 && fip.Fixed == f.Addr {
						floating = fip.External.String()
					}
				}
			}
		}
	}
	return fixed, floating
}

// amiID is a name in EC2's form for an image, which only its looks need.
func amiID(imageID string) string {
	digits := strings.ReplaceAll(imageID, "-", "")
	if len(digits) < 8 {
		return "ami-00000000"
	}
	return "ami-" + digits[:8]
}

func (s Server) ec2Drive(files map[string][]byte, version string) {
	v, _ := ec2Version(version)
	if len(s.Guest.Instance.UserData) > 0 {
		files["ec2/"+version+"/user-data"] = s.Guest.Instance.UserData
	}
	files["ec2/"+version+"/meta-data.json"] = encode(plain(s.ec2Tree(v)))
}

// plain turns a tree into what JSON shows of it.
func plain(t tree) map[string]any {
	m := map[string]any{}
	for name, child := range t {
		switch c := child.(type) {
		case tree:
			m[name] = plain(c)
		case named:
			m[name] = plain(c.tree)
		default:
			m[name] = c
		}
	}
	return m
}

// encode marshals values that are made of maps, slices and strings only, which
// cannot fail.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
