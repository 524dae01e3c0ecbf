package volume

import (
	"context"
	"fmt"
	"strings"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Offers is what the one backend offers to the extra specs of volume types.
func (s *Service) Offers() map[string]string { return Offers(s.BackendName) }

// Offers is what a backend of this name offers to extra specs; the sagas'
// choice and the operator's view both come from it.
func Offers(backendName string) map[string]string {
	return map[string]string{"volume_backend_name": backendName, "vendor_name": "Open Source", "storage_protocol": "file", "driver_version": "1.0.0",
		"thin_provisioning_support": "True", "thick_provisioning_support": "False", "QoS_support": "False"}
}

// Stats is the state of the one pool, sizes in GiB.
func (s *Service) Stats(ctx context.Context) (map[string]any, error) {
	room, err := s.Backend.Usage(ctx)
	if err != nil {
		return nil, fault.Because(err, fault.CodeVolumeBackendFailed, "The backend does not tell its room.")
	}
	gib, volumes, err := s.Store.Room(ctx, s.DB)
	if err != nil {
		return nil, err
	}
	out := map[string]any{"total_capacity_gb": float64(room.TotalMiB) / 1024, "free_capacity_gb": float64(room.FreeMiB) / 1024, "allocated_capacity_gb": gib,
		"provisioned_capacity_gb": gib, "total_volumes": volumes, "pool_name": s.BackendName, "reserved_percentage": 0, "max_over_subscription_ratio": "20.0",
		"multiattach": true, "location_info": "", "filter_function": nil, "goodness_function": nil, "backend_state": "up",
		"timestamp": s.Clock.Now().UTC().Format("2006-01-02T15:04:05.000000")}
	for k, v := range s.Offers() {
		switch v {
		case "True", "False":
			out[k] = v == "True"
		default:
			out[k] = v
		}
	}
	return out, nil
}

// Daemons answers the parts of the service. They live in this process, so what
// answers is up.
func (s *Service) Daemons(ctx context.Context) ([]Daemon, error) {
	saved, err := s.Store.Daemons(ctx, s.DB)
	if err != nil {
		return nil, err
	}
	now := s.Clock.Now()
	all := []Daemon{{Binary: "cinder-scheduler", Host: s.Host, Zone: s.Zone, UpdatedAt: now}, {Binary: "cinder-volume", Host: s.Backed(), Zone: s.Zone, UpdatedAt: now},
		{Binary: "cinder-backup", Host: s.Host, Zone: s.Zone, UpdatedAt: now}}
	for i := range all {
		for _, d := range saved {
			if d.Binary == all[i].Binary && d.Host == all[i].Host {
				all[i].Disabled, all[i].Frozen, all[i].Reason = d.Disabled, d.Frozen, d.Reason
			}
		}
	}
	return all, nil
}

// SetDaemon enables or disables a part of the service; a disabled backend gets
// no new volumes.
func (s *Service) SetDaemon(ctx context.Context, host, binary string, disabled bool, reason string) (Daemon, error) {
	d, err := s.changeDaemon(ctx, host, binary, func(d *Daemon) {
		if d.Disabled, d.Reason = disabled, reason; !disabled {
			d.Reason = ""
		}
	})
	if err == nil && d.Host == "" {
		err = fault.New(fault.CodeVolumeServiceNotFound, "Service %s could not be found on host %s.", binary, host)
	}
	return d, err
}

// Freeze keeps the volumes of a backend from being deleted, grown or
// snapshotted, or ends that. An unknown host is invalid input.
func (s *Service) Freeze(ctx context.Context, host string, frozen bool) error {
	d, err := s.changeDaemon(ctx, host, "cinder-volume", func(d *Daemon) { d.Frozen = frozen })
	if err == nil && d.Host == "" {
		err = invalidInput("Host %s could not be found.", host)
	}
	return err
}

// thawed refuses changes to volumes of a frozen backend.
func (s *Service) thawed(ctx context.Context, r db.Reader) error {
	saved, err := s.Store.Daemons(ctx, r)
	if err != nil {
		return err
	}
	for _, d := range saved {
		if d.Frozen && d.Host == s.Backed() {
			return invalidInput("The volume service is frozen on host %s.", d.Host)
		}
	}
	return nil
}

// changeDaemon edits a part of the service; the zero Daemon means there is none
// of that name.
func (s *Service) changeDaemon(ctx context.Context, host, binary string, edit func(d *Daemon)) (Daemon, error) {
	all, err := s.Daemons(ctx)
	if err != nil {
		return Daemon{}, err
	}
	for _, d := range all {
		if d.Host != host || d.Binary != binary && strings.TrimPrefix(d.Binary, "cinder-") != binary {
			continue
		}
		edit(&d)
		err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.Store.SaveDaemon(ctx, tx, d) })
		if err != nil {
			return d, fmt.Errorf("save service %s on %s: %w", binary, host, err)
		}
		return d, nil
	}
	return Daemon{}, nil
}
