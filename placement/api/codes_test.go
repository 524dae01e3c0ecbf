package api_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"altostack/kernel/fault"
)

// refusals is a log that remembers the code of the last refusal.
type refusals struct{ last fault.Code }

func (*refusals) Enabled(context.Context, slog.Level) bool { return true }
func (r *refusals) WithAttrs([]slog.Attr) slog.Handler     { return r }
func (r *refusals) WithGroup(string) slog.Handler          { return r }
func (r *refusals) Handle(_ context.Context, rec slog.Record) error {
	rec.Attrs(func(a slog.Attr) bool {
		if code, is := a.Value.Any().(fault.Code); is {
			r.last = code
		}
		return true
	})
	return nil
}

// Each code of the catalogue is what the refusal is meant to be.
func TestCodes(t *testing.T) {
	log := &refusals{}
	c := newClientLogging(t, slog.New(log))
	c.tree()
	c.want(201, 39, "PUT /resource_classes/CUSTOM_A", "")
	const vgpu = `{"allocations": {"` + hostA + `": {"resources": {"VGPU": 1}}}, "project_id": "p", "user_id": "u", "consumer_generation": null, "consumer_type": "X"}`
	for _, tt := range []struct {
		call, body string
		want       fault.Code
	}{
		{"PUT /allocations/" + server, vgpu, fault.CodePlacementNoInventory},
		{"DELETE /resource_providers/" + hostA, "", fault.CodePlacementProviderHasChildren},
		{"POST /resource_classes", `{"name": "CUSTOM_A"}`, fault.CodePlacementNameExists},
		{"DELETE /traits/CUSTOM_GOLD", "", fault.CodePlacementNameInUse},
		{"GET /resource_providers/" + server, "", fault.CodePlacementNotFound},
		{"DELETE /traits/HW_CPU_X86_AVX", "", fault.CodePlacementInvalid},
		{"POST /resource_providers", `{"name": "a"}`, fault.CodePlacementDuplicateName},
		{"GET /allocation_candidates", "", fault.CodePlacementMissingQuery},
		{"GET /allocation_candidates?resources=VCPU:1&same_subtree=_X", "", fault.CodePlacementBadQuery},
		{"GET /allocation_candidates?resources=VCPU:1&root_required=CUSTOM_GOLD&root_required=CUSTOM_GOLD", "", fault.CodePlacementDuplicateQuery},
	} {
		log.last = ""
		if a := c.do("admin", 39, tt.call, tt.body); log.last != tt.want {
			t.Errorf("%s: %q, want %q: %s", tt.call, log.last, tt.want, a.raw)
		}
	}
}

func TestOnlyJSON(t *testing.T) {
	c := newClient(t)
	for _, media := range []string{"", "text/plain", "application/xml"} {
		r := httptest.NewRequest(http.MethodPost, "http://cloud/placement/resource_providers", strings.NewReader(`{"name": "a"}`))
		r.Header.Set("X-Auth-Token", "admin")
		r.Header.Set("Content-Type", media)
		w := httptest.NewRecorder()
		c.h.ServeHTTP(w, r)
		if w.Code != http.StatusUnsupportedMediaType {
			t.Errorf("%q: %d %s", media, w.Code, w.Body)
		}
	}
}
