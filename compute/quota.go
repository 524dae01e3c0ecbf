package compute

import "altostack/kernel/fault"

// Quotas are a project's limits by resource; -1 means none.
type Quotas map[string]int64

// DefaultQuotas are the limits of a project for which nothing was set.
func DefaultQuotas() Quotas {
	return Quotas{"instances": 10, "cores": 20, "ram": 51200, "metadata_items": 128, "injected_files": 5,
		"injected_file_content_bytes": 10240, "injected_file_path_bytes": 255, "key_pairs": 100,
		"server_groups": 10, "server_group_members": 10}
}

// Usage is what a project's servers use; RAM is in MiB.
type Usage struct{ Instances, Cores, RAM int64 }

// Check refuses a request for more than the limits leave. used is what the
// project used before it; the fault names every resource that is short.
func (q Quotas) Check(used, more Usage) error {
	type resource struct {
		name       string
		used, more int64
	}
	var names, requested, has, limits string
	for _, r := range []resource{{"cores", used.Cores, more.Cores}, {"instances", used.Instances, more.Instances}, {"ram", used.RAM, more.RAM}} {
		limit := q[r.name]
		if limit < 0 || r.used+r.more <= limit || r.more <= 0 {
			continue
		}
		names = list(names, r.name)
		requested = list(requested, itoa(r.more))
		has = list(has, itoa(r.used))
		limits = list(limits, itoa(limit))
	}
	if names == "" {
		return nil
	}
	return fault.New(fault.CodeComputeQuotaExceeded, "Quota exceeded for %s: Requested %s, but already used %s of %s %s", names, requested, has, limits, names)
}

// Usage is what one server counts for.
func (s Server) Usage() Usage {
	return Usage{1, int64(s.Flavor.VCPUs), int64(s.Flavor.MemoryMiB)}
}
