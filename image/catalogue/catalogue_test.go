package catalogue

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestBuiltinIsSound(t *testing.T) {
	list, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		for arch := range i.Arches {
			one, err := i.For(arch)
			if err != nil || strings.Contains(one.URL+one.Sums, "{") || !strings.HasPrefix(one.URL, "https://") {
				t.Errorf("%s for %s: %s %s %v", i.Name, arch, one.URL, one.Sums, err)
			}
		}
		if i.MinDisk == 0 || i.MinRAM == 0 || i.User == "" || i.Properties["os_distro"] == "" {
			t.Errorf("%s is not described", i.Name)
		}
	}
	if _, err := list[0].For("sparc"); err == nil {
		t.Error("an image for a processor that it is not there for")
	}
}

func TestOperatorsFileAddsAndChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "catalogue.yaml")
	write := func(text string) ([]Image, error) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return Load(file)
	}
	builtin, _ := Load("")
	list, err := write("images:\n- {name: own, url: 'http://h/x.img', sums: 'http://h/S', algorithm: sha256}\n- {name: debian-12, url: 'http://mirror/d', sums: 'http://mirror/S', algorithm: sha512}\n")
	if err != nil || len(list) != len(builtin)+1 {
		t.Fatal(len(list), err)
	}
	if d, _ := Named(list, "debian-12"); d.URL != "http://mirror/d" {
		t.Error(d)
	}
	for _, bad := range []string{"{name: a b, url: 'http://h/x', sums: 'http://h/S', algorithm: sha256}", "{name: a, url: 'file:///x', sums: 'http://h/S', algorithm: sha256}",
		"{name: a, url: 'http://h/x', algorithm: sha256}", "{name: a, url: 'http://h/x', sums: 'http://h/S', algorithm: md5}", "{name: a, url: 'http://h/x', hash: abc, algorithm: sha256}",
		"{name: a, url: 'http://h/{arch}', sums: 'http://h/S', algorithm: sha256}", "{name: a, colour: red}"} {
		if _, err := write("images:\n- " + bad + "\n"); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

// server serves data at /img and its hash at /SUMS; it cuts the connection after
// each piece of the data.
func server(t *testing.T, data string, piece int) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	var requests atomic.Int64
	sum := sha256.Sum256([]byte(data))
	mux := http.NewServeMux()
	mux.HandleFunc("/SUMS", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "# comment\n%064d  other\nSHA256 (img) = %s\n", 0, hex.EncodeToString(sum[:]))
	})
	mux.HandleFunc("/img", func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		from := 0
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil && from < len(data) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(data)-from))
		if from > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		to := min(len(data), from+piece)
		_, _ = w.Write([]byte(data[from:to]))
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s, &requests
}

func TestDownloadGoesOnWhereItWasCut(t *testing.T) {
	data := strings.Repeat("0123456789", 1000)
	s, requests := server(t, data, 3000)
	f := &Fetcher{Client: &http.Client{Timeout: time.Minute}, Dir: t.TempDir()}
	img := Image{Name: "x", URL: s.URL + "/img", Sums: s.URL + "/SUMS", Algorithm: "sha256"}
	file, err := f.Get(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != data || requests.Load() != 4 {
		t.Error(len(got), requests.Load(), err)
	}
	if _, err := f.Get(t.Context(), img); err != nil || requests.Load() != 4 {
		t.Error("what is there is not fetched again:", requests.Load(), err)
	}
}

func TestWrongBytesAreNotKept(t *testing.T) {
	s, _ := server(t, "data", 10)
	f := &Fetcher{Client: s.Client(), Dir: t.TempDir()}
	_, err := f.Get(t.Context(), Image{Name: "x", URL: s.URL + "/img", Hash: strings.Repeat("0", 64), Algorithm: "sha256"})
	if err == nil || !strings.Contains(err.Error(), "not what it should be") {
		t.Error(err)
	}
	if left, _ := os.ReadDir(f.Dir); len(left) != 0 {
		t.Error("left behind:", left)
	}
	if _, err := f.Get(t.Context(), Image{Name: "x", URL: s.URL + "/none", Sums: s.URL + "/SUMS", Algorithm: "sha256"}); err == nil || !strings.Contains(err.Error(), "has no sha256") {
		t.Error(err)
	}
	if _, err := f.Get(t.Context(), Image{Name: "x", URL: s.URL + "/gone", Hash: strings.Repeat("0", 64), Algorithm: "sha256"}); err == nil || !strings.Contains(err.Error(), "404") {
		t.Error(err)
	}
}

func TestWithoutANetworkItSaysSo(t *testing.T) {
	s, _ := server(t, "", 1)
	address := s.URL
	s.Close()
	f := &Fetcher{Client: &http.Client{}, Dir: t.TempDir()}
	_, err := f.Get(t.Context(), Image{Name: "x", URL: address + "/img", Sums: address + "/SUMS", Algorithm: "sha256"})
	if err == nil || !strings.Contains(err.Error(), "needs a network") {
		t.Error(err)
	}
}
