package wire

import "github.com/prometheus/client_golang/prometheus"

// gauges count what operators watch, asked of the database when scraped.
func (s *System) gauges() {
	for name, g := range map[string]struct{ help, query string }{
		"altostack_sagas_open":      {"Operations in flight.", "SELECT COUNT(*) FROM sagas WHERE status IN ('running', 'undoing')"},
		"altostack_sagas_undoing":   {"Operations that failed and are being undone.", "SELECT COUNT(*) FROM sagas WHERE status = 'undoing'"},
		"altostack_servers":         {"Servers that are not deleted.", "SELECT COUNT(*) FROM servers WHERE deleted = FALSE"},
		"altostack_servers_error":   {"Servers in ERROR.", "SELECT COUNT(*) FROM servers WHERE deleted = FALSE AND vm_state = 'error'"},
		"altostack_compute_hosts":   {"Hypervisor hosts that have registered.", "SELECT COUNT(*) FROM compute_hosts"},
		"altostack_objects":         {"Objects, of all accounts.", "SELECT CAST(COALESCE(SUM(objects), 0) AS BIGINT) FROM object_account_usage"},
		"altostack_object_bytes":    {"Bytes of all objects and their versions.", "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM object_account_usage"},
		"altostack_objects_damaged": {"Blobs that the scrubber found damaged.", "SELECT COUNT(*) FROM object_damage"},
		"altostack_images_waiting":  {"Images without their data yet.", "SELECT COUNT(*) FROM images WHERE status IN ('queued', 'saving')"},
	} {
		s.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: g.help}, func() float64 { return s.count(g.query) }))
	}
}
