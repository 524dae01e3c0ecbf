package compute

import (
	"context"
	"fmt"
	"net/netip"
	"sort"
	"strings"
	"time"

	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/telemetry"
	"altostack/saga"
)

// Create asks for one server or several alike.
type Create struct {
	Name, Hostname         string // Hostname empty: made from the name
	Description            *string
	ImageID, FlavorID      string
	Wants                  []Want
	Auto                   string // "", auto or none
	Groups                 []string
	UserData               string // base64
	Metadata               map[string]string
	KeyName                string
	ConfigDrive            bool
	DiskConfig             string
	AccessIPv4, AccessIPv6 string
	Min, Max               int
	Zone, ForcedHost       string
	Files                  []hostapi.File
	Tags                   []string
	Hints                  map[string]any
	AdminPass              string
	Certs                  []string
	Disks                  []Disk
	MultipleNames          bool
}

// Created is what Create accepted.
type Created struct {
	Servers       []Server
	ReservationID string
}

// plan is a checked Create: what all its servers have in common.
type plan struct {
	flavor   Flavor
	image    *Image
	key      Keypair
	networks Resolved
	disks    []Disk
	policy   string // of the server group
	groupID  string
}

// Create saves the intent and answers; a boot saga per server does the rest.
// Everything that is wrong with the request is found here, before any row is
// written; quota is checked in the transaction that writes them.
func (s *Service) Create(ctx context.Context, scope auth.Scope, c Create) (Created, error) {
	decided := s.Clock.Now()
	spans := s.requestSpans(ctx, scope, decided)
	p, err := s.check(ctx, scope, c)
	if err != nil {
		return Created{}, err
	}
	read := s.Clock.Now()
	spans = append(spans, StepSpan(6, decided, read.Sub(decided), nil, map[string]any{"flavor_id": p.flavor.ID, "image_id": c.ImageID}))
	out := Created{ReservationID: "r-" + s.IDs.Hex()[:8]}
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := s.count(ctx, tx, scope.ProjectID, p.flavor, c.Min, c.Max)
		if err != nil {
			return err
		}
		if err := s.checkUser(ctx, tx, scope.ProjectID, scope.UserID, Usage{1, int64(p.flavor.VCPUs), int64(p.flavor.MemoryMiB)}.times(n)); err != nil {
			return err
		}
		volumes := s.volumeIDs(p.disks, n) // only now: what was asked for may be any number
		out.Servers = out.Servers[:0]
		for i := range n {
			srv := s.build(scope, c, p, s.IDs.UUID(), i, n, out.ReservationID, read, volumes[i])
			if err := s.insert(ctx, tx, &srv, p, append(spans[:len(spans):len(spans)], StepSpan(7, read, s.Clock.Now().Sub(read), nil, map[string]any{"server_id": srv.ID}))); err != nil {
				return err
			}
			out.Servers = append(out.Servers, srv)
		}
		return nil
	})
	return out, err
}

// count takes quota for as many servers as it allows, from max down to min.
func (s *Service) count(ctx context.Context, tx *db.Tx, projectID string, f Flavor, least, most int) (int, error) {
	limits, err := s.quotas(ctx, tx, projectID)
	if err != nil {
		return 0, err
	}
	one := Usage{1, int64(f.VCPUs), int64(f.MemoryMiB)}
	used, err := s.Store.Usage(ctx, tx, projectID)
	if err != nil {
		return 0, err
	}
	if err := limits.Check(used, one.times(least)); err != nil {
		return 0, err
	}
	n := least + sort.Search(most-least, func(more int) bool { return limits.Check(used, one.times(least+more+1)) != nil })
	_, err = s.Store.Use(ctx, tx, projectID, one.times(n))
	return n, err
}

func (u Usage) times(n int) Usage {
	return Usage{u.Instances * int64(n), u.Cores * int64(n), u.RAM * int64(n)}
}

func (s *Service) insert(ctx context.Context, tx *db.Tx, srv *Server, p plan, spans []saga.Span) error {
	if err := s.Store.InsertServer(ctx, tx, *srv); err != nil {
		return err
	}
	if p.groupID != "" {
		if err := s.joinGroup(ctx, tx, p.groupID, *srv); err != nil {
			return err
		}
	}
	if err := s.note(ctx, tx, *srv, "create"); err != nil {
		return err
	}
	_, err := s.flows.Boot(ctx, tx, saga.Request{Subject: srv.ID, ProjectID: srv.ProjectID, Spans: spans}, srv.ID)
	return err
}

// build makes the row of the i-th of n servers.
func (s *Service) build(scope auth.Scope, c Create, p plan, serverID string, i, n int, reservation string, now time.Time, volumes []string) Server {
	name, hostname := c.Name, c.Hostname
	if n > 1 {
		name = fmt.Sprintf("%s-%d", c.Name, i+1)
		if hostname != "" {
			hostname = fmt.Sprintf("%s-%d", c.Hostname, i+1)
		}
	}
	if hostname == "" {
		hostname = HostnameOf(name, serverID)
	}
	srv := Server{ID: serverID, ProjectID: scope.ProjectID, UserID: scope.UserID, Name: name, Hostname: hostname, Description: c.Description,
		VMState: VMBuilding, Task: TaskScheduling, Want: hostapi.PowerOn, Zone: c.Zone, PinnedZone: c.Zone, ImageID: c.ImageID, FlavorID: p.flavor.ID,
		Flavor: p.flavor, KeyName: c.KeyName, ConfigDrive: c.ConfigDrive, DiskConfig: c.DiskConfig, AccessIPv4: canonical(c.AccessIPv4), AccessIPv6: canonical(c.AccessIPv6),
		ReservationID: reservation, LaunchIndex: i, Metadata: c.Metadata, Tags: c.Tags, SecurityGroups: c.Groups, UserData: c.UserData,
		Generation: 1, CreatedAt: now, UpdatedAt: now}
	if srv.Metadata == nil {
		srv.Metadata = map[string]string{}
	}
	srv.Disks = append([]Disk(nil), p.disks...)
	for k := range srv.Disks {
		srv.Disks[k].ID = s.IDs.UUID()
		if volumes[k] != "" {
			srv.Disks[k].VolumeID, srv.Disks[k].Made = volumes[k], true
		}
	}
	srv.SetSpec(Spec{Image: p.image, KeyType: p.key.Type, PublicKey: p.key.PublicKey, AdminPass: s.hide(c.AdminPass), Files: c.Files, Hints: c.Hints, Certs: c.Certs,
		Networks: p.networks, ForcedHost: c.ForcedHost, GroupID: p.groupID, GroupPolicy: p.policy})
	return srv
}

// volumeIDs draws the ids of volumes to be made, so that a boot repeated after
// a crash makes each once.
func (s *Service) volumeIDs(disks []Disk, servers int) [][]string {
	out := make([][]string, servers)
	for i := range out {
		out[i] = make([]string, len(disks))
		for k, d := range disks {
			if d.Destination == "volume" && d.VolumeID == "" {
				out[i][k] = s.IDs.UUID()
			}
		}
	}
	return out
}

// check reads and validates all that a request names.
func (s *Service) check(ctx context.Context, scope auth.Scope, c Create) (p plan, err error) {
	own := scope.Own()
	var found bool
	if p.flavor, found, err = s.Store.Flavor(ctx, s.DB, scope, c.FlavorID); err != nil {
		return p, err
	}
	if !found || p.flavor.Disabled {
		return p, fault.New(fault.CodeComputeBadFlavor, "Invalid flavorRef provided.")
	}
	if c.KeyName != "" {
		if p.key, found, err = s.Store.Keypair(ctx, s.DB, scope.UserID, c.KeyName); err != nil {
			return p, err
		}
		if !found {
			return p, fault.New(fault.CodeComputeBadKeypair, "Invalid key_name provided.")
		}
	}
	if c.Max > 1 && !c.MultipleNames {
		for _, w := range c.Wants {
			if w.PortID != "" || w.FixedIP != "" {
				return p, fault.New(fault.CodeComputeBadRequest, "Unable to launch multiple instances with a single configured port ID or fixed IP. Please launch your instance one by one.")
			}
		}
	}
	if err = s.checkZone(ctx, c); err != nil {
		return p, err
	}
	if err = s.checkMetadata(ctx, scope.ProjectID, c.Metadata); err != nil {
		return p, err
	}
	if err = s.checkGroup(ctx, scope, c, &p); err != nil {
		return p, err
	}
	if c.ImageID != "" {
		if p.image, err = s.image(ctx, scope, c.ImageID); err != nil {
			return p, err
		}
	}
	if p.disks, err = s.disks(ctx, scope, c, &p); err != nil {
		return p, err
	}
	if err = fits(p, c, scope); err != nil {
		return p, err
	}
	p.networks, err = s.Network.Check(ctx, own, c.Wants, c.Auto, c.Groups)
	return p, err
}

func (s *Service) image(ctx context.Context, scope auth.Scope, imageID string) (*Image, error) {
	img, err := s.Images.Get(ctx, scope, imageID)
	if fault.KindOf(err) == fault.NotFound && err != nil {
		return nil, fault.Because(err, fault.CodeComputeBadImage, "Invalid imageRef provided.")
	}
	if err != nil {
		return nil, err
	}
	if img.Status != "active" {
		return nil, fault.New(fault.CodeComputeBadImage, "Image %s is not active.", img.ID)
	}
	return &img, nil
}

func (s *Service) checkMetadata(ctx context.Context, projectID string, m map[string]string) error {
	if len(m) == 0 {
		return nil
	}
	limits, err := s.quotas(ctx, s.DB, projectID)
	if err != nil {
		return err
	}
	if limit := limits["metadata_items"]; limit >= 0 && int64(len(m)) > limit {
		return fault.New(fault.CodeComputeTooMuchMetadata, "Maximum number of metadata items exceeds %d", limit)
	}
	return nil
}

func (s *Service) checkZone(ctx context.Context, c Create) error {
	if c.Zone == "" && c.ForcedHost == "" {
		return nil
	}
	hosts, err := s.Hypervisors(ctx)
	if err != nil {
		return err
	}
	zone, host := c.Zone == "", c.ForcedHost == ""
	for _, h := range hosts {
		zone = zone || h.Zone == c.Zone
		host = host || h.Name == c.ForcedHost
	}
	if !zone {
		return fault.New(fault.CodeComputeBadZone, "The requested availability zone is not available")
	}
	if !host {
		return fault.New(fault.CodeComputeBadRequest, "Compute host %s could not be found.", c.ForcedHost)
	}
	return nil
}

func (s *Service) checkGroup(ctx context.Context, scope auth.Scope, c Create, p *plan) error {
	group, _ := c.Hints["group"].(string)
	if group == "" {
		return nil
	}
	if !id.IsUUID(group) {
		return fault.New(fault.CodeComputeBadRequest, "Server group scheduler hint must be a UUID.")
	}
	policy, found, err := s.Store.GroupPolicy(ctx, s.DB, group, scope.ProjectID)
	if err != nil {
		return err
	}
	if !found {
		return fault.New(fault.CodeComputeBadRequest, "Instance group %s could not be found.", group)
	}
	p.groupID, p.policy = group, policy
	return nil
}

// fits compares the flavor with what the image and its disks need.
func fits(p plan, c Create, scope auth.Scope) error {
	local := false
	for _, d := range p.disks {
		local = local || d.BootIndex == 0 && d.Destination == "local"
	}
	if local && p.flavor.DiskGiB == 0 && !scope.MayOwn("os_compute_api:servers:create:zero_disk_flavor") {
		return fault.New(fault.CodeComputeFlavorZeroDisk, "Only volume-backed servers are allowed for flavors with zero disk.")
	}
	if p.image == nil {
		return nil
	}
	if p.image.MinRAMMiB > p.flavor.MemoryMiB {
		return fault.New(fault.CodeComputeFlavorMemoryTooSmall, "Flavor's memory is too small for requested image.").
			WithHint("The image needs %d MiB and the flavor has %d MiB: choose a flavor with more memory.", p.image.MinRAMMiB, p.flavor.MemoryMiB)
	}
	if !local || p.flavor.DiskGiB == 0 {
		return nil
	}
	const gib = int64(1) << 30
	have := int64(p.flavor.DiskGiB) * gib
	if need := max(p.image.Size, p.image.VirtualSize); need > have {
		return fault.New(fault.CodeComputeFlavorDiskTooSmall, "Flavor's disk is too small for requested image. Flavor disk is %d bytes, image is %d bytes.", have, need)
	}
	if need := int64(p.image.MinDiskGiB) * gib; need > have {
		return fault.New(fault.CodeComputeFlavorDiskTooSmall, "Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is %d bytes, minimum size is %d bytes.", have, need)
	}
	return nil
}

// HostnameOf makes a host name of a server's name, as Nova does.
func HostnameOf(name, serverID string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r == ' ' || r == '_' || r == '.':
			b.WriteByte('-')
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-':
			b.WriteRune(r)
		}
	}
	host := strings.Trim(b.String(), "-.")
	if len(host) > 63 {
		host = strings.TrimRight(host[:63], "-")
	}
	if host == "" {
		host = "server-" + serverID
	}
	return host
}

func requestID(ctx context.Context) string { return telemetry.RequestID(ctx) }

// canonical spells an address the one way; what is none stays as it is.
func canonical(address string) string {
	if a, err := netip.ParseAddr(address); err == nil {
		return a.String()
	}
	return address
}
