package wire

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"altostack/kernel/config"
)

// Clients are told an address that they can reach, or the start says what to set.
func TestPublicURL(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:9080": "http://127.0.0.1:9080", "[::1]:80": "http://[::1]:80",
		"0.0.0.0:9080": "--public-url", "[::]:9080": "--public-url", ":9080": "--public-url", "nonsense": "missing port",
	} {
		got, err := publicURL(listen, "")
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", listen, got, want)
		}
	}
	if got, err := publicURL("0.0.0.0:9080", "https://cloud.example/"); got != "https://cloud.example" || err != nil {
		t.Errorf("configured: %s, %v", got, err)
	}
}

// A refusal names the identity service by its whole address: clients follow it.
func TestRefusalNamesIdentity(t *testing.T) {
	cfg, err := config.Load("", false, nil, map[string]string{"hypervisor": "fake", "sqlite_sync": "off", "password_cost": "4", "demo": "false", "listen": "127.0.0.1:9080"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{Data: t.TempDir(), Config: cfg, NoListen: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1:9080/compute/v2.1/servers", nil))
	if got := w.Header().Get("Www-Authenticate"); w.Code != 401 || got != `Keystone uri="http://127.0.0.1:9080/identity/v3"` {
		t.Errorf("%d, %s", w.Code, got)
	}
}
