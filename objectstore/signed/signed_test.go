package signed_test

import (
	"errors"
	"io"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"altostack/objectstore/signed"
)

// Sums were computed with Python's hmac, key "secret", for /v1/AUTH_a/c/d/o and
// 2000000000 seconds.
const (
	sha1Hex   = "02827ca2cdd3a5dc37ee7f8f63cab29929179a5f"
	sha1B64   = "sha1:AoJ8os3Tpdw37n-PY8qymSkXml8"
	sha256Hex = "012b83b7dcd5cc6a21c5afd529136625da918d306ebdb1ad939db2aad9e878cb"
	sha256B64 = "sha256:ASuDt9zVzGohxa_VKRNmJdqRjTBuvbGtk52yqtnoeMs="
	sha512Hex = "0d5f5b16b3121f98960f22fa1bb2cc9811802e2ee53a217d0b2a61119db78a3287e5f0dfa7c07812f7c5409a4a8e45eafb6d502746c31e76c63202947a70b958"
	prefixHex = "2c0984dfdfbd8395d97ac61d61d9ced686798ec3efc8bcd4430e982ebb904981"
	netHex    = "c0a6f9efbf315afcbbebe0a0901c8ef0837493c0c39f6d521e2bedabf7686a72"
	mountHex  = "66f941e093b99c8578a6f027bdf515b569b750ae8afc7abd3e91b2735fe4cf6c"
	formHex   = "b7bc0d761843fe44b9cc361a6f9bcb59dc9c8dc4543e18b31b3db1c7e724f2ce0b8328e96ec6c3f898fe49c2f8f0592bc3d2d174d38a27b0f51cd10555f81da7"
)

var (
	mine   = signed.Keys{Account: []string{"other", "secret"}}
	theirs = signed.Keys{Container: []string{"secret"}}
	before = time.Unix(1_900_000_000, 0)
)

func TestURL(t *testing.T) {
	q := func(sig string, more ...string) url.Values {
		v := url.Values{"temp_url_sig": {sig}, "temp_url_expires": {"2000000000"}}
		for i := 0; i < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return v
	}
	tests := map[string]struct {
		method, object string
		query          url.Values
		keys           signed.Keys
		client         string
		now            time.Time
		want           signed.Scope // empty: refused
	}{
		"sha1 in hex":                      {"GET", "d/o", q(sha1Hex), mine, "", before, signed.ScopeAccount},
		"sha1 in base64 for URLs":          {"GET", "d/o", q(sha1B64), mine, "", before, signed.ScopeAccount},
		"sha256 in hex":                    {"GET", "d/o", q(sha256Hex), mine, "", before, signed.ScopeAccount},
		"sha256 in padded base64":          {"GET", "d/o", q(sha256B64), mine, "", before, signed.ScopeAccount},
		"sha512 in hex":                    {"GET", "d/o", q(sha512Hex), mine, "", before, signed.ScopeAccount},
		"a container's key":                {"GET", "d/o", q(sha512Hex), theirs, "", before, signed.ScopeContainer},
		"GET holds for HEAD":               {"HEAD", "d/o", q(sha256Hex), mine, "", before, signed.ScopeAccount},
		"a UTC time":                       {"GET", "d/o", q(sha256Hex, "temp_url_expires", "2033-05-18T03:33:20Z"), mine, "", before, signed.ScopeAccount},
		"a prefix":                         {"GET", "d/anything", q(prefixHex, "temp_url_prefix", "d/"), mine, "", before, signed.ScopeAccount},
		"a network":                        {"GET", "d/o", q(netHex, "temp_url_ip_range", "10.0.0.0/8"), mine, "10.1.2.3", before, signed.ScopeAccount},
		"the catalog's path was signed":    {"PUT", "d/o", q(mountHex), mine, "", before, signed.ScopeAccount},
		"GET does not hold for PUT":        {"PUT", "d/o", q(sha256Hex), mine, "", before, ""},
		"another object":                   {"GET", "d/p", q(sha256Hex), mine, "", before, ""},
		"outside of the prefix":            {"GET", "e/o", q(prefixHex, "temp_url_prefix", "d/"), mine, "", before, ""},
		"a prefix is no object":            {"GET", "d/", q(prefixHex), mine, "", before, ""},
		"no key":                           {"GET", "d/o", q(sha256Hex), signed.Keys{}, "", before, ""},
		"another key":                      {"GET", "d/o", q(sha256Hex), signed.Keys{Account: []string{"x"}}, "", before, ""},
		"too late":                         {"GET", "d/o", q(sha256Hex), mine, "", time.Unix(2_000_000_001, 0), ""},
		"another time":                     {"GET", "d/o", q(sha256Hex, "temp_url_expires", "2000000001"), mine, "", before, ""},
		"no time":                          {"GET", "d/o", url.Values{"temp_url_sig": {sha256Hex}}, mine, "", before, ""},
		"no signature":                     {"GET", "d/o", url.Values{"temp_url_expires": {"2000000000"}}, mine, "", before, ""},
		"words for a time":                 {"GET", "d/o", q(sha256Hex, "temp_url_expires", "soon"), mine, "", before, ""},
		"outside of the network":           {"GET", "d/o", q(netHex, "temp_url_ip_range", "10.0.0.0/8"), mine, "11.1.2.3", before, ""},
		"from nowhere":                     {"GET", "d/o", q(netHex, "temp_url_ip_range", "10.0.0.0/8"), mine, "", before, ""},
		"the network is not left out":      {"GET", "d/o", q(netHex), mine, "10.1.2.3", before, ""},
		"a network that is none":           {"GET", "d/o", q(netHex, "temp_url_ip_range", "10.0.0.1/8"), mine, "10.1.2.3", before, ""},
		"MD5 is not allowed":               {"GET", "d/o", q("md5:AoJ8os3Tpdw37nPY8qym"), mine, "", before, ""},
		"half a sum":                       {"GET", "d/o", q(sha256Hex[:32]), mine, "", before, ""},
		"not hexadecimal":                  {"GET", "d/o", q("zz" + sha256Hex[2:]), mine, "", before, ""},
		"OPTIONS is not for signatures":    {"OPTIONS", "d/o", q(sha256Hex), mine, "", before, ""},
		"a container is not for one's own": {"GET", "", q(sha256Hex), mine, "", before, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := signed.Request{Method: tt.method, Account: "AUTH_a", Container: "c", Object: tt.object, Query: tt.query, Now: tt.now, Mounts: []string{"/object-store"}}
			if tt.client != "" {
				r.Client = netip.MustParseAddr(tt.client)
			}
			g, err := r.Check(tt.keys)
			if g.Scope != tt.want || (tt.want == "") != errors.Is(err, signed.ErrInvalid) {
				t.Errorf("Check: %q, %v; want %q", g.Scope, err, tt.want)
			}
		})
	}
}

func TestDisposition(t *testing.T) {
	tests := map[string]struct {
		grant        signed.Grant
		stored, want string
	}{
		"by the object's name":   {signed.Grant{}, "", `attachment; filename="b c"; filename*=UTF-8''b%20c`},
		"by the query":           {signed.Grant{Filename: "ü\".txt"}, "inline", `attachment; filename="%C3%BC%22.txt"; filename*=UTF-8''%C3%BC%22.txt`},
		"stored with it":         {signed.Grant{}, "inline; x", "inline; x"},
		"inline":                 {signed.Grant{Inline: true}, "attachment", "inline"},
		"inline, with a name":    {signed.Grant{Inline: true, Filename: "a"}, "", `inline; filename="a"; filename*=UTF-8''a`},
		"a line break is no way": {signed.Grant{}, "a\nb", "a%0Ab"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.grant.Disposition(tt.stored, "a/b c/"); got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// form writes fields in order, then files of the given sizes.
func form(fields [][2]string, sizes ...int) string {
	var b strings.Builder
	for _, f := range fields {
		b.WriteString("--b\r\nContent-Disposition: form-data; name=\"" + f[0] + "\"\r\n\r\n" + f[1] + "\r\n")
	}
	for i, n := range sizes {
		b.WriteString("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f" + string(rune('0'+i)) + "\"\r\nContent-Type: text/x\r\n\r\n" + strings.Repeat("x", n) + "\r\n")
	}
	return b.String() + "--b--\r\n"
}

func TestForm(t *testing.T) {
	good := [][2]string{{"redirect", "http://x/done"}, {"max_file_size", "10"}, {"max_file_count", "2"}, {"expires", "2000000000"}, {"signature", formHex}}
	with := func(name, value string) [][2]string {
		var out [][2]string
		for _, f := range good {
			if f[0] == name {
				f[1] = value
			}
			out = append(out, f)
		}
		return out
	}
	tests := map[string]struct {
		body string
		now  time.Time
		want string
	}{
		"two files":             {form(good, 3, 10), before, "f0 text/x xxx|f1 text/x xxxxxxxxxx|EOF"},
		"a type for all files":  {form(append([][2]string{{"Content-Type", "a/b"}}, good...), 1), before, "f0 a/b x|EOF"},
		"too large":             {form(good, 11), before, "max_file_size exceeded"},
		"too many":              {form(good, 1, 1, 1), before, "f0 text/x x|f1 text/x x|max file count exceeded"},
		"no file":               {form(good), before, "EOF"},
		"fields after the file": {form([][2]string{{"max_file_count", "1"}}, 1), before, "form expired"},
		"expired":               {form(good, 1), time.Unix(2_000_000_001, 0), "form expired"},
		"more than was signed":  {form(with("max_file_size", "11"), 1), before, "invalid signature"},
		"another redirect":      {form(with("redirect", "http://evil"), 1), before, "invalid signature"},
		"no signature":          {form(with("signature", ""), 1), before, "invalid signature"},
		"a count in words":      {form(with("max_file_count", "many"), 1), before, "max_file_count not an integer"},
		"a size in words":       {form(with("max_file_size", "much"), 1), before, "max_file_size not an integer"},
		"a time in words":       {form(with("expires", "soon"), 1), before, "expired not an integer"},
		"expiry in words":       {form(append([][2]string{{"x_delete_at", "soon"}}, good...), 1), before, "x_delete_at not an integer: Unix timestamp required."},
		"another boundary":      {"--c\r\n\r\n", before, "EOF"},
		"cut in a file":         {strings.TrimSuffix(form(good, 5), "x\r\n--b--\r\n"), before, "unexpected EOF"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := signed.NewForm(strings.NewReader(tt.body), "b", []string{"/object-store/v1/AUTH_a/c/up/", "/v1/AUTH_a/c/up/"}, theirs, tt.now)
			var got []string
			for {
				file, err := f.Next()
				if err != nil {
					got = append(got, err.Error())
					break
				}
				b, err := io.ReadAll(file.Body)
				if err != nil {
					got = append(got, err.Error())
					break
				}
				got = append(got, file.Name+" "+file.Header.Get("Content-Type")+" "+string(b))
			}
			if g := strings.Join(got, "|"); g != tt.want {
				t.Errorf("got %s\nwant %s", g, tt.want)
			}
		})
	}
}
