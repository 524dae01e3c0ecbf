package signing

import (
	"net/url"
	"testing"
)

// The example is that of RFC 5849, section 1.2 and 3.4.1.1.
func TestOAuth(t *testing.T) {
	header := `OAuth realm="Photos", oauth_consumer_key="dpf43f3p2l4k3l03", oauth_token="nnch734d00sl2jdk", oauth_signature_method="HMAC-SHA1", oauth_timestamp="137131202", oauth_nonce="chapoH", oauth_signature="MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D"`
	r := OAuth{Method: "GET", URL: "http://PHOTOS.example.net:80/photos", Params: ParseOAuth(header), Query: url.Values{"file": {"vacation.jpg"}, "size": {"original"}}}
	if !r.Holds("kd94hf93k423kf44", "pfkkdhi9sl3r4s00") {
		t.Errorf("the signature of %s", r.base())
	}
	for name, change := range map[string]func(r *OAuth){
		"another secret's": func(r *OAuth) {},
		"in clear":         func(r *OAuth) { r.Params["oauth_signature_method"] = "PLAINTEXT" },
		"another method":   func(r *OAuth) { r.Method = "POST" },
		"another query":    func(r *OAuth) { r.Query = nil },
		"another path":     func(r *OAuth) { r.URL += "/x" },
	} {
		other := OAuth{Method: r.Method, URL: r.URL, Params: ParseOAuth(header), Query: r.Query}
		change(&other)
		secret := "pfkkdhi9sl3r4s00"
		if name == "another secret's" {
			secret = "x"
		}
		if other.Holds("kd94hf93k423kf44", secret) {
			t.Errorf("%s: the signature holds", name)
		}
	}
	for _, bad := range []string{"", "Basic x", "OAuth", `OAuth a`, `OAuth a="%zz"`, `OAuth a="1", a="2"`} {
		if p := ParseOAuth(bad); p != nil {
			t.Errorf("%q: %v", bad, p)
		}
	}
}
