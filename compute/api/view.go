package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/microversion"
	"altostack/kernel/rest"
)

type named struct {
	Name string `json:"name"`
}

type serverBasic struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Links []link `json:"links"`
}

type address struct {
	Addr    string `json:"addr"`
	Version int    `json:"version"`
	Type    string `json:"OS-EXT-IPS:type,omitempty"`
	MAC     string `json:"OS-EXT-IPS-MAC:mac_addr,omitempty"`
}

type attached struct {
	ID   string `json:"id"`
	Ends *bool  `json:"delete_on_termination,omitempty"`
}

type faultView struct {
	Code    int    `json:"code"`
	Created string `json:"created"`
	Message string `json:"message"`
	Details string `json:"details,omitempty"`
}

// flavorFacts is what a server shows of its flavor from 2.47 on.
type flavorFacts struct {
	VCPUs     int                `json:"vcpus"`
	RAM       int                `json:"ram"`
	Disk      int                `json:"disk"`
	Ephemeral int                `json:"ephemeral"`
	Swap      int                `json:"swap"`
	Name      string             `json:"original_name"`
	Extra     *map[string]string `json:"extra_specs,omitempty"`
}

type flavorLink struct {
	ID    string `json:"id"`
	Links []link `json:"links"`
}

type imageLink struct {
	ID         string             `json:"id"`
	Links      []link             `json:"links"`
	Properties *map[string]string `json:"properties,omitempty"`
}

// null is a JSON string or null; as a pointer, it may be absent too.
type null struct{ value *string }

// MarshalJSON spares most values, which are plain ASCII, the encoder.
func (n null) MarshalJSON() ([]byte, error) {
	if n.value == nil {
		return []byte("null"), nil
	}
	for _, c := range []byte(*n.value) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return json.Marshal(n.value)
		}
	}
	return []byte(`"` + *n.value + `"`), nil
}

func orNull(s string) *null {
	if s == "" {
		return &null{}
	}
	return &null{&s}
}

// serverView is a server; pointers are what not every answer has.
type serverView struct {
	ID         string               `json:"id"`
	Name       string               `json:"name"`
	Status     string               `json:"status"`
	Tenant     string               `json:"tenant_id"`
	User       string               `json:"user_id"`
	Metadata   map[string]string    `json:"metadata"`
	HostID     string               `json:"hostId"`
	Image      any                  `json:"image"`
	Flavor     any                  `json:"flavor"`
	Created    string               `json:"created"`
	Updated    string               `json:"updated"`
	Addresses  map[string][]address `json:"addresses"`
	AccessV4   string               `json:"accessIPv4"`
	AccessV6   string               `json:"accessIPv6"`
	Links      []link               `json:"links"`
	DiskConfig string               `json:"OS-DCF:diskConfig"`
	Progress   *int                 `json:"progress,omitempty"`
	Fault      *faultView           `json:"fault,omitempty"`

	Zone        *string     `json:"OS-EXT-AZ:availability_zone,omitempty"`
	ConfigDrive *string     `json:"config_drive,omitempty"`
	KeyName     *null       `json:"key_name,omitempty"`
	Launched    *null       `json:"OS-SRV-USG:launched_at,omitempty"`
	Ended       *null       `json:"OS-SRV-USG:terminated_at,omitempty"`
	Groups      []named     `json:"security_groups,omitempty"`
	Task        *null       `json:"OS-EXT-STS:task_state,omitempty"`
	VMState     *string     `json:"OS-EXT-STS:vm_state,omitempty"`
	Power       *int        `json:"OS-EXT-STS:power_state,omitempty"`
	Volumes     *[]attached `json:"os-extended-volumes:volumes_attached,omitempty"`

	Host        *null   `json:"OS-EXT-SRV-ATTR:host,omitempty"`
	Node        *null   `json:"OS-EXT-SRV-ATTR:hypervisor_hostname,omitempty"`
	Instance    *string `json:"OS-EXT-SRV-ATTR:instance_name,omitempty"`
	Hostname    *string `json:"OS-EXT-SRV-ATTR:hostname,omitempty"`
	Kernel      *string `json:"OS-EXT-SRV-ATTR:kernel_id,omitempty"`
	Ramdisk     *string `json:"OS-EXT-SRV-ATTR:ramdisk_id,omitempty"`
	LaunchIndex *int    `json:"OS-EXT-SRV-ATTR:launch_index,omitempty"`
	Reservation *string `json:"OS-EXT-SRV-ATTR:reservation_id,omitempty"`
	RootDevice  *null   `json:"OS-EXT-SRV-ATTR:root_device_name,omitempty"`
	UserData    *null   `json:"OS-EXT-SRV-ATTR:user_data,omitempty"`

	Locked       *bool           `json:"locked,omitempty"`
	HostStatus   *string         `json:"host_status,omitempty"`
	Description  *null           `json:"description,omitempty"`
	Tags         *[]string       `json:"tags,omitempty"`
	Certs        json.RawMessage `json:"trusted_image_certificates,omitempty"`
	ServerGroups *[]string       `json:"server_groups,omitempty"`
	LockedReason *null           `json:"locked_reason,omitempty"`
	PinnedZone   *null           `json:"pinned_availability_zone,omitempty"`
	Hints        *map[string]any `json:"scheduler_hints,omitempty"`
	AdminPass    string          `json:"adminPass,omitempty"`
	Rebuilt      *null           `json:"user_data,omitempty"` // a rebuild's answer alone has it under this name
}

// viewer is what all views of one answer have in common: decided once, not a
// thousand times.
type viewer struct {
	base                       string
	v                          microversion.Version
	extended, hostStatus, spec bool
	hostUnknown                bool
	full                       bool // false: an update's answer before 2.75
	hosts                      map[string]compute.Host
	now                        time.Time
	ports                      map[string][]compute.Port
	admin                      bool
}

func (a *API) viewer(r *http.Request, scope auth.Scope, servers []compute.Server) (*viewer, error) {
	ctx := r.Context()
	v := &viewer{base: rest.Base(r), v: version(r), full: true, now: a.svc.Clock.Now(), admin: scope.IsAdmin(),
		extended: scope.MayOwn("os_compute_api:os-extended-server-attributes"),
		spec:     scope.MayOwn("os_compute_api:servers:show:flavor-extra-specs")}
	if v.at(16) {
		v.hostStatus = scope.MayOwn("os_compute_api:servers:show:host_status")
		v.hostUnknown = !v.hostStatus && scope.MayOwn("os_compute_api:servers:show:host_status:unknown-only")
	}
	if v.hostStatus || v.hostUnknown {
		hosts, err := a.svc.Hypervisors(ctx)
		if err != nil {
			return nil, err
		}
		v.hosts = make(map[string]compute.Host, len(hosts))
		for _, h := range hosts {
			v.hosts[h.Name] = h
		}
	}
	return v, a.fill(ctx, v, servers)
}

// fill reads the ports of all servers at once.
func (a *API) fill(ctx context.Context, v *viewer, servers []compute.Server) error {
	ids := make([]string, 0, len(servers))
	for _, s := range servers {
		if !s.Deleted {
			ids = append(ids, s.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var err error
	v.ports, err = a.svc.Network.PortsOf(ctx, ids)
	return err
}

func (v *viewer) at(minor int) bool { return v.v.AtLeast(microversion.V(2, minor)) }

const isoTime = "2006-01-02T15:04:05Z"

// stamp is a time as Python's str(datetime) in JSON has it; zero is null.
func stamp(t time.Time) *null {
	if t.IsZero() {
		return &null{}
	}
	s := micros(t)
	return &null{&s}
}

func micros(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000") }

// server is the detailed view.
func (v *viewer) server(s compute.Server) *serverView {
	out := &serverView{ID: s.ID, Name: s.Name, Status: s.Status(), Tenant: s.ProjectID, User: s.UserID, Metadata: s.Metadata, HostID: s.HostID(),
		Image: v.image(s), Flavor: v.flavor(s), Created: s.CreatedAt.UTC().Format(isoTime), Updated: s.UpdatedAt.UTC().Format(isoTime),
		Addresses: v.addresses(s), AccessV4: s.AccessIPv4, AccessV6: s.AccessIPv6, Links: links(v.base, "servers", s.ID), DiskConfig: s.DiskConfig}
	if out.Metadata == nil {
		out.Metadata = map[string]string{}
	}
	switch out.Status {
	case "ACTIVE", "BUILD", "REBUILD":
		out.Progress = &s.Progress
	case "ERROR", "DELETED":
		out.Fault = v.fault(s)
	}
	if v.full {
		v.extend(s, out)
	}
	v.newer(s, out)
	return out
}

func (v *viewer) image(s compute.Server) any {
	if s.ImageID == "" {
		return ""
	}
	img := imageLink{ID: s.ImageID, Links: []link{{"bookmark", v.base + "/images/" + s.ImageID}}}
	if v.at(98) {
		properties := map[string]string{}
		if i := s.Spec().Image; i != nil && i.Properties != nil {
			properties = i.Properties
		}
		img.Properties = &properties
	}
	return img
}

func (v *viewer) flavor(s compute.Server) any {
	f := s.Flavor
	if !v.at(47) {
		return flavorLink{f.ID, []link{{"bookmark", v.base + "/flavors/" + f.ID}}}
	}
	facts := flavorFacts{VCPUs: f.VCPUs, RAM: f.MemoryMiB, Disk: f.DiskGiB, Ephemeral: f.EphemeralGiB, Swap: f.SwapMiB, Name: f.Name}
	if v.spec {
		extra := f.ExtraSpecs
		if extra == nil {
			extra = map[string]string{}
		}
		facts.Extra = &extra
	}
	return facts
}

func (v *viewer) addresses(s compute.Server) map[string][]address {
	out := map[string][]address{}
	for _, p := range v.ports[s.ID] {
		list := out[p.NetworkName]
		for _, a := range p.Addresses {
			list = append(list, v.address(a.Addr, a.Version, "fixed", p.MAC))
			for _, f := range a.Floating {
				list = append(list, v.address(f, 4, "floating", p.MAC))
			}
		}
		if list != nil {
			out[p.NetworkName] = list
		}
	}
	return out
}

func (v *viewer) address(addr string, version int, kind, mac string) address {
	if !v.full {
		return address{Addr: addr, Version: version}
	}
	return address{addr, version, kind, mac}
}

func (v *viewer) fault(s compute.Server) *faultView {
	if s.Fault == nil {
		return nil
	}
	f := &faultView{Code: s.Fault.Code, Created: s.Fault.Created.UTC().Format(isoTime), Message: s.Fault.Message}
	if v.admin {
		f.Details = s.Fault.Details
	}
	return f
}

// extend adds what every show has had since 2.1 and an update had not.
func (v *viewer) extend(s compute.Server, out *serverView) {
	zone, drive, state, power := s.Zone, "", string(s.VMState), int(s.PowerState)
	if s.ConfigDrive {
		drive = "True"
	}
	out.Zone, out.ConfigDrive, out.KeyName = &zone, &drive, orNull(s.KeyName)
	out.Launched, out.Ended = stamp(s.LaunchedAt), stamp(s.EndedAt)
	out.Groups = groupNames(v.ports[s.ID])
	out.Task, out.VMState, out.Power = orNull(string(s.Task)), &state, &power
	volumes := []attached{}
	for _, d := range s.Disks {
		if d.Destination == "volume" && d.VolumeID != "" {
			one := attached{ID: d.VolumeID}
			if v.at(3) {
				one.Ends = &d.DeleteOnTermination
			}
			volumes = append(volumes, one)
		}
	}
	out.Volumes = &volumes
	if v.extended {
		v.attributes(s, out)
	}
}

func groupNames(ports []compute.Port) []named {
	var out []named
	for _, p := range ports {
		for _, g := range p.Groups {
			if !slices.Contains(out, named{g}) {
				out = append(out, named{g})
			}
		}
	}
	return out
}

// attributes are the extended ones, for operators.
func (v *viewer) attributes(s compute.Server, out *serverView) {
	name, empty := s.InstanceName(), ""
	out.Host, out.Node, out.Instance = orNull(s.Host), orNull(s.Host), &name
	if !v.at(3) {
		return
	}
	out.Hostname, out.Kernel, out.Ramdisk = &s.Hostname, &empty, &empty
	out.LaunchIndex, out.Reservation = &s.LaunchIndex, &s.ReservationID
	root, _ := s.Root()
	out.RootDevice, out.UserData = orNull(root.Device), orNull(s.UserData)
}

// newer adds what later versions brought.
func (v *viewer) newer(s compute.Server, out *serverView) {
	if v.at(9) {
		out.Locked = &s.Locked
	}
	if h, known := v.hosts[s.Host]; v.full && v.at(16) && (v.hostStatus || v.hostUnknown) {
		status := ""
		if known {
			status = h.Status(v.now)
		}
		if v.hostStatus || status == "UNKNOWN" {
			out.HostStatus = &status
		}
	}
	if v.at(19) {
		out.Description = &null{s.Description}
	}
	if v.at(26) {
		tags := s.Tags
		if tags == nil {
			tags = []string{}
		}
		out.Tags = &tags
	}
	if v.at(63) {
		out.Certs = json.RawMessage("null")
		if certs := s.Spec().Certs; len(certs) > 0 {
			out.Certs, _ = json.Marshal(certs) // strings
		}
	}
	if v.at(73) {
		out.LockedReason = &null{s.LockedReason}
	}
	if v.at(90) {
		out.Hostname = &s.Hostname
	}
	if v.at(96) {
		out.PinnedZone = orNull(s.PinnedZone)
	}
	if v.at(100) {
		hints := s.Spec().Hints
		if hints == nil {
			hints = map[string]any{}
		}
		out.Hints = &hints
	}
}

func number(s string) int { n, _ := strconv.Atoi(s); return n }
