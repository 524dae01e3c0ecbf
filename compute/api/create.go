package api

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"altostack/compute"
	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/rest"
)

type createBody struct {
	Name          string            `json:"name"`
	Image         *string           `json:"imageRef"`
	Flavor        flexible          `json:"flavorRef"`
	Networks      json.RawMessage   `json:"networks"`
	Groups        []named           `json:"security_groups"`
	UserData      *string           `json:"user_data"`
	Metadata      map[string]string `json:"metadata"`
	KeyName       string            `json:"key_name"`
	ConfigDrive   any               `json:"config_drive"`
	Min           flexible          `json:"min_count"`
	Max           flexible          `json:"max_count"`
	Return        any               `json:"return_reservation_id"`
	Zone          string            `json:"availability_zone"`
	Files         []fileBody        `json:"personality"`
	Tags          []string          `json:"tags"`
	Description   *string           `json:"description"`
	Hostname      string            `json:"hostname"`
	Host          string            `json:"host"`
	Node          string            `json:"hypervisor_hostname"`
	Hints         map[string]any    `json:"os:scheduler_hints"`
	PlainHints    map[string]any    `json:"OS-SCH-HNT:scheduler_hints"`
	AdminPass     string            `json:"adminPass"`
	Certs         []string          `json:"trusted_image_certificates"`
	DiskConfig    string            `json:"OS-DCF:diskConfig"`
	AccessIPv4    string            `json:"accessIPv4"`
	AccessIPv6    string            `json:"accessIPv6"`
	Devices       []deviceBody      `json:"block_device_mapping_v2"`
	LegacyDevices []legacyDevice    `json:"block_device_mapping"`
}

type fileBody struct {
	Path     string `json:"path"`
	Contents string `json:"contents"`
}

// flexible is a string that may be written as a number.
type flexible string

func (f *flexible) UnmarshalJSON(b []byte) error {
	*f = flexible(strings.Trim(string(b), `"`))
	return nil
}

func (f flexible) number(implied int) int {
	if f == "" {
		return implied
	}
	n, err := strconv.Atoi(string(f))
	if err != nil {
		return implied
	}
	return n
}

type networkBody struct {
	UUID    string `json:"uuid"`
	Port    string `json:"port"`
	FixedIP string `json:"fixed_ip"`
	Tag     string `json:"tag"`
}

type deviceBody struct {
	UUID        string   `json:"uuid"`
	Source      string   `json:"source_type"`
	Destination string   `json:"destination_type"`
	BootIndex   any      `json:"boot_index"`
	Size        flexible `json:"volume_size"`
	Ends        any      `json:"delete_on_termination"`
	Device      string   `json:"device_name"`
	Bus         string   `json:"disk_bus"`
	Format      string   `json:"guest_format"`
	Tag         string   `json:"tag"`
	Type        string   `json:"volume_type"`
	No          any      `json:"no_device"`
}

type legacyDevice struct {
	Device   string   `json:"device_name"`
	Volume   string   `json:"volume_id"`
	Snapshot string   `json:"snapshot_id"`
	Size     flexible `json:"volume_size"`
	Ends     any      `json:"delete_on_termination"`
}

// createServer answers 202 as soon as the intent is saved.
func (a *API) createServer(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body createBody
	if err := rest.Decode(r, "server", &body); err != nil {
		return err
	}
	c, err := a.command(r, scope, body)
	if err != nil {
		return err
	}
	if c.AdminPass == "" {
		c.AdminPass = id.Secret(6)
	}
	made, err := a.svc.Create(r.Context(), scope, c)
	if err != nil {
		return err
	}
	if truth(body.Return) {
		return rest.Write(w, http.StatusAccepted, map[string]string{"reservation_id": made.ReservationID})
	}
	s := made.Servers[0]
	groups := body.Groups
	if groups == nil {
		groups = []named{{"default"}}
	}
	view := map[string]any{"id": s.ID, "links": links(rest.Base(r), "servers", s.ID), "OS-DCF:diskConfig": c.DiskConfig, "security_groups": groups, "adminPass": c.AdminPass}
	w.Header().Set("Location", rest.Base(r)+"/v2.1/servers/"+s.ID)
	return rest.Write(w, http.StatusAccepted, map[string]any{"server": view})
}

func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case string:
		b, err := boolean("", v)
		return err == nil && *b
	case float64:
		return v != 0
	}
	return false
}

func invalid(format string, args ...any) error {
	return fault.New(fault.CodeComputeBadRequest, format, args...)
}

// command translates a request.
func (a *API) command(r *http.Request, scope auth.Scope, b createBody) (compute.Create, error) {
	c := compute.Create{Name: strings.TrimSpace(b.Name), Hostname: b.Hostname, Description: b.Description, FlavorID: flavorID(string(b.Flavor)), Metadata: b.Metadata,
		KeyName: b.KeyName, ConfigDrive: truth(b.ConfigDrive), DiskConfig: b.DiskConfig, AccessIPv4: b.AccessIPv4, AccessIPv6: b.AccessIPv6,
		Min: b.Min.number(1), Zone: b.Zone, Tags: slices.Compact(slices.Sorted(slices.Values(b.Tags))), Hints: b.Hints, AdminPass: b.AdminPass, Certs: b.Certs}
	if c.Hints == nil {
		c.Hints = b.PlainHints
	}
	if outer := outerHints(r); c.Hints == nil {
		c.Hints = outer
	}
	if c.Max = b.Max.number(c.Min); b.Min == "" && b.Max != "" {
		c.Min = 1
	}
	if c.Min > c.Max {
		return c, invalid("min_count must be <= max_count")
	}
	if c.DiskConfig == "" {
		c.DiskConfig = "MANUAL"
	}
	if b.Image != nil {
		c.ImageID = imageID(*b.Image)
		if c.ImageID != "" && !id.IsUUID(c.ImageID) {
			return c, fault.New(fault.CodeComputeBadImage, "Invalid imageRef provided.")
		}
	}
	for _, g := range b.Groups {
		if !slices.Contains(c.Groups, g.Name) {
			c.Groups = append(c.Groups, g.Name)
		}
	}
	if b.UserData != nil {
		c.UserData = *b.UserData
		if _, err := base64.StdEncoding.DecodeString(c.UserData); err != nil || len(c.UserData) > 65535 {
			return c, fault.New(fault.CodeComputeBadUserData, "Invalid input for field/attribute user_data. Value: %.60s. '%.60s' is not a 'base64'", c.UserData, c.UserData)
		}
	}
	if err := files(&c, b.Files); err != nil {
		return c, err
	}
	if err := forced(r, scope, b, &c); err != nil {
		return c, err
	}
	if err := devices(b, &c); err != nil {
		return c, err
	}
	return c, networks(r, b.Networks, &c)
}

// flavorID and imageID take references that are addresses too.
func flavorID(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }
func imageID(ref string) string  { return ref[strings.LastIndexByte(ref, '/')+1:] }

// outerHints are scheduler hints beside "server", where most clients put them.
func outerHints(r *http.Request) map[string]any {
	for _, name := range []string{"os:scheduler_hints", "OS-SCH-HNT:scheduler_hints"} {
		var hints map[string]any
		if rest.Decode(r, name, &hints) == nil && hints != nil {
			return hints
		}
	}
	return nil
}

func files(c *compute.Create, list []fileBody) error {
	limits := compute.DefaultQuotas()
	if int64(len(list)) > limits["injected_files"] {
		return fault.New(fault.CodeComputeQuotaExceeded, "Maximum number of personality files exceeded")
	}
	for _, f := range list {
		contents, err := base64.StdEncoding.DecodeString(f.Contents)
		if err != nil {
			return invalid("Personality content for %s cannot be decoded", f.Path)
		}
		if int64(len(contents)) > limits["injected_file_content_bytes"] {
			return fault.New(fault.CodeComputeQuotaExceeded, "Maximum number of personality file content bytes exceeded")
		}
		c.Files = append(c.Files, hostapi.File{Path: f.Path, Contents: contents})
	}
	return nil
}

// forced reads a host named in the zone (zone:host:node) or, from 2.74, by host
// and hypervisor_hostname.
func forced(r *http.Request, scope auth.Scope, b createBody, c *compute.Create) error {
	zone, host, has := strings.Cut(b.Zone, ":")
	if has {
		if err := scope.Check("os_compute_api:servers:create:forced_host", auth.Target{}); err != nil {
			return err
		}
		host, node, _ := strings.Cut(host, ":")
		c.Zone, c.ForcedHost = zone, first(host, node)
	}
	if b.Host != "" || b.Node != "" {
		if err := scope.Check("compute:servers:create:requested_destination", auth.Target{}); err != nil {
			return err
		}
		c.ForcedHost = first(b.Host, b.Node)
	}
	return nil
}

func devices(b createBody, c *compute.Create) error {
	if len(b.Devices) > 0 && len(b.LegacyDevices) > 0 {
		return invalid("Using different block_device_mapping syntaxes is not allowed in the same request.")
	}
	for i, d := range b.LegacyDevices {
		disk := compute.Disk{Source: "volume", SourceID: d.Volume, Destination: "volume", BootIndex: -1, DeleteOnTermination: truth(d.Ends), SizeGiB: int64(d.Size.number(0))}
		if d.Snapshot != "" {
			disk.Source, disk.SourceID = "snapshot", d.Snapshot
		}
		if c.ImageID == "" && i == 0 {
			disk.BootIndex = 0
		}
		c.Disks = append(c.Disks, disk)
	}
	for _, d := range b.Devices {
		if truth(d.No) {
			continue
		}
		disk := compute.Disk{Source: d.Source, SourceID: d.UUID, Destination: d.Destination, BootIndex: -1, SizeGiB: int64(d.Size.number(0)),
			DeleteOnTermination: truth(d.Ends), Device: d.Device, Bus: d.Bus, GuestFormat: d.Format, Tag: d.Tag, VolumeType: d.Type}
		if d.Source == "" {
			disk.Source = "volume"
		}
		if d.Destination == "" {
			disk.Destination = "volume"
			if d.Source == "blank" || d.Source == "image" {
				disk.Destination = "local"
			}
		}
		switch n := d.BootIndex.(type) {
		case float64:
			disk.BootIndex = int(n)
		case string:
			if v, err := strconv.Atoi(n); err == nil {
				disk.BootIndex = v
			}
		}
		if disk.BootIndex < 0 {
			disk.BootIndex = -1
		}
		if disk.Device != "" && !strings.HasPrefix(disk.Device, "/dev/") {
			disk.Device = "/dev/" + disk.Device
		}
		if disk.Source != "blank" && !id.IsUUID(disk.SourceID) {
			return fault.New(fault.CodeComputeBadBlockDevice, "Block Device Mapping is Invalid: %s is not a UUID.", disk.SourceID)
		}
		c.Disks = append(c.Disks, disk)
	}
	return nil
}

// networks reads the list, or from 2.37 the words auto and none.
func networks(r *http.Request, raw json.RawMessage, c *compute.Create) error {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	if raw[0] == '"' {
		return json.Unmarshal(raw, &c.Auto)
	}
	var list []networkBody
	if err := json.Unmarshal(raw, &list); err != nil {
		return invalid("Bad networks format")
	}
	ports := map[string]bool{}
	for _, n := range list {
		if n.Port != "" {
			if ports[n.Port] {
				return invalid("Port ID '%s' was specified twice: you cannot attach a port multiple times.", n.Port)
			}
			if n.FixedIP != "" {
				return invalid("Specified Fixed IP '%s' cannot be used with port '%s': the two cannot be specified together.", n.FixedIP, n.Port)
			}
			ports[n.Port] = true
			n.UUID = ""
		} else if n.UUID == "" {
			return invalid("Bad network format: missing 'uuid'")
		} else if !id.IsUUID(n.UUID) {
			return invalid("Bad networks format: network uuid is not in proper format (%s)", n.UUID)
		}
		c.Wants = append(c.Wants, compute.Want{NetworkID: n.UUID, PortID: n.Port, FixedIP: n.FixedIP, Tag: n.Tag})
	}
	return nil
}
