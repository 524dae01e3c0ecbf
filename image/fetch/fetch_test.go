package fetch_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"altostack/image/fetch"
	"altostack/kernel/fault"
)

// names is a resolver whose answers change: each lookup takes the next one.
type names struct {
	answers map[string][]string
	asked   atomic.Int32
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	list := n.answers[host]
	if len(list) == 0 {
		return nil, fmt.Errorf("no such host %s", host)
	}
	at := min(int(n.asked.Add(1))-1, len(list)-1)
	return []netip.Addr{netip.MustParseAddr(list[at])}, nil
}

func serve(t *testing.T, h http.HandlerFunc) (url string, port int) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	_, text, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return s.URL, port
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}

func get(f *fetch.Fetcher, url string) (string, error) {
	a, err := f.Open(context.Background(), url, 0)
	if err != nil {
		return "", err
	}
	defer a.Close()
	data, err := io.ReadAll(a)
	return string(data), err
}

func TestAddressesInsideAreRefused(t *testing.T) {
	f := fetch.New(fetch.Config{})
	for name, host := range map[string]string{
		"loopback": "127.0.0.1", "loopback elsewhere": "127.8.9.1", "loopback v6": "[::1]", "metadata": "169.254.169.254", "metadata v6": "[fd00:ec2::254]",
		"private 10": "10.0.0.1", "private 172": "172.16.3.4", "private 192": "192.168.1.1", "private v6": "[fd12::1]", "provider's": "100.64.0.1",
		"link-local": "169.254.1.1", "link-local v6": "[fe80::1]", "zone": "[fe80::1%25eth0]", "unspecified": "0.0.0.0", "unspecified v6": "[::]",
		"multicast": "224.0.0.1", "multicast v6": "[ff02::1]", "broadcast": "255.255.255.255",
		"v4 mapped into v6": "[::ffff:127.0.0.1]", "v4 mapped metadata": "[::ffff:a9fe:a9fe]", "v4 compatible": "[::7f00:1]", "v4 translated": "[::ffff:0:7f00:1]",
		"6to4": "[2002:7f00:1::]", "NAT64": "[64:ff9b::7f00:1]", "NAT64 local": "[64:ff9b:1::a9fe:a9fe]", "Teredo": "[2001:0:7f00:1::]", "site-local": "[fec0::1]",
		"documentation": "192.0.2.1", "reserved": "240.0.0.1",
	} {
		if _, err := get(f, "http://"+host+"/"); !fault.Has(err, fault.CodeImageFetchRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Numbers that some libraries take for addresses are names here, which nobody knows.
func TestOtherSpellingsOfAddressesLeadNowhere(t *testing.T) {
	f := fetch.New(fetch.Config{Resolver: &names{}})
	for _, host := range []string{"2130706433", "0x7f000001", "127.1", "0177.0.0.1", "localhost", "LOCALHOST.", "127.0.0.1.nip.io"} {
		if _, err := get(f, "http://"+host+"/"); err == nil {
			t.Errorf("%s was reached", host)
		}
	}
}

func TestURLsThatDoNotPass(t *testing.T) {
	f := fetch.New(fetch.Config{Hosts: []string{"images.example.org"}})
	for name, url := range map[string]string{
		"file": "file:///etc/passwd", "ftp": "ftp://images.example.org/x", "gopher": "gopher://images.example.org:80/_x", "no host": "http:///x",
		"another port": "http://images.example.org:22/", "another host": "http://example.org/", "a user's name": "http://root:secret@images.example.org/",
		"nothing": "", "no URL": "http://[::1", "opaque": "http:images.example.org", "endless": "http://images.example.org/" + strings.Repeat("x", 5000),
	} {
		err := f.Check(url)
		if !fault.Has(err, fault.CodeImageFetchRefused) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the password is told: %v", name, err)
		}
	}
	if err := f.Check("https://images.example.org/a?signature=x"); err != nil {
		t.Error(err)
	}
}

// A name that leads to a public address when it is checked, and inside when it is
// connected to: only the second counts.
func TestDNSRebinding(t *testing.T) {
	reached := false
	_, port := serve(t, func(http.ResponseWriter, *http.Request) { reached = true })
	n := &names{answers: map[string][]string{"evil.example.org": {"127.0.0.1"}}}
	f := fetch.New(fetch.Config{Ports: []int{port}, Resolver: n})
	u := fmt.Sprintf("http://evil.example.org:%d/", port)
	if err := f.Check(u); err != nil {
		t.Fatal("the name itself is nothing bad: ", err)
	}
	if _, err := get(f, u); !fault.Has(err, fault.CodeImageFetchRefused) || reached {
		t.Error(err, reached)
	}

	// The first answer is allowed, the second, a moment later, is not.
	n = &names{answers: map[string][]string{"evil.example.org": {"127.0.0.1", "127.0.0.2"}}}
	f = fetch.New(fetch.Config{Ports: []int{port}, Resolver: n, Allow: loopback})
	if _, err := get(f, u); err != nil || !reached {
		t.Fatal(err)
	}
	if reached = false; true {
		if _, err := get(f, u); !fault.Has(err, fault.CodeImageFetchRefused) || reached {
			t.Error(err, reached)
		}
	}
}

func TestRedirectsAreCheckedEachTime(t *testing.T) {
	inside := false
	base, port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			http.Redirect(w, r, "/data", http.StatusFound)
		case "/data":
			_, _ = io.WriteString(w, "data of "+r.Header.Get("Referer"))
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/to":
			http.Redirect(w, r, r.URL.Query().Get("u"), http.StatusFound)
		case "/inside":
			inside = true
		}
	})
	n := &names{answers: map[string][]string{"evil.example.org": {"127.0.0.3"}}}
	f := fetch.New(fetch.Config{Ports: []int{port}, Allow: loopback, Resolver: n})
	if got, err := get(f, base+"/ok"); err != nil || got != "data of " {
		t.Error(got, err)
	}
	for name, to := range map[string]string{
		"to metadata": "http://169.254.169.254/latest/", "to a name that leads inside": fmt.Sprintf("http://evil.example.org:%d/inside", port),
		"to another port": "http://127.0.0.1:22/", "to a file": "file:///etc/passwd", "to another loopback": fmt.Sprintf("http://127.0.0.2:%d/inside", port),
	} {
		if _, err := get(f, base+"/to?u="+url.QueryEscape(to)); !fault.Has(err, fault.CodeImageFetchRefused) || inside {
			t.Error(name, err, inside)
		}
	}
	if _, err := get(f, base+"/loop"); !fault.Has(err, fault.CodeImageFetchRefused) || !strings.Contains(err.Error(), "more than 5 times") {
		t.Error(err)
	}
}

func TestDataThatIsTooMuchOrTooLittle(t *testing.T) {
	base, port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/said":
			_, _ = w.Write(make([]byte, 2000))
		case "/unsaid":
			w.(http.Flusher).Flush()
			_, _ = w.Write(make([]byte, 2000))
		case "/cut":
			w.Header().Set("Content-Length", "900")
			_, _ = w.Write(make([]byte, 100))
		case "/slow":
			_, _ = w.Write(make([]byte, 10))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case "/range":
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader("0123456789"))
		default:
			http.NotFound(w, r)
		}
	})
	f := fetch.New(fetch.Config{Ports: []int{port}, Allow: loopback, MaxBytes: 1000})
	for path, says := range map[string]string{"/said": "larger than 1000", "/unsaid": "larger than 1000", "/cut": "cut off after 100", "/gone": "answered 404"} {
		if _, err := get(f, base+path); !fault.Has(err, fault.CodeImageFetchFailed) || !strings.Contains(err.Error(), says) {
			t.Error(path, err)
		}
	}
	hasty := fetch.New(fetch.Config{Ports: []int{port}, Allow: loopback, Timeout: 50 * time.Millisecond})
	if _, err := get(hasty, base+"/slow"); !fault.Has(err, fault.CodeImageFetchFailed) {
		t.Error(err)
	}
	a, err := f.Open(t.Context(), base+"/range", 4)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if rest, err := io.ReadAll(a); err != nil || string(rest) != "456789" {
		t.Error(string(rest), err)
	}
}
