package signing

import (
	"encoding/hex"
	"maps"
	"testing"
)

// The examples are those of keystoneclient's own tests of its signer.
func examples() map[string]Request {
	const access = "966afbde20b84200ae4e62e09acf46b2"
	v1 := map[string]string{"SignatureVersion": "1", "AWSAccessKeyId": access}
	v2 := map[string]string{"SignatureVersion": "2", "AWSAccessKeyId": access}
	v4 := Request{
		Access: "AKIDEXAMPLE", Host: "iam.amazonaws.com", Verb: "POST", Path: "/",
		Params:    map[string]string{"Action": "ListUsers", "Version": "2010-05-08"},
		BodyHash:  "b6359072c78d70ebee1e81adcbab4f01bf2c23245fa365ef83fe8f1f955085e2",
		Signature: "ced6826de92d2bdeed8f846f0bf508e8559e98e4b0199114b84c54174deb456c",
		Headers: map[string]string{
			"Content-type": "application/x-www-form-urlencoded; charset=utf-8", "X-Amz-Date": "20110909T233600Z", "Host": "iam.amazonaws.com",
			"Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20110909/us-east-1/iam/aws4_request,SignedHeaders=content-type;host;x-amz-date,",
		},
	}
	return map[string]Request{
		"version 0": {Signature: "SmXQEZAUdQw5glv5mX8mmixBtas=", Params: map[string]string{"SignatureVersion": "0", "AWSAccessKeyId": access, "Action": "Foo", "Timestamp": "2012-11-27T11:47:02Z"}},
		"version 1": {Signature: "VRnoQH/EhVTTLhwRLfuL7jmFW9c=", Params: v1},
		"version 2": {Verb: "GET", Host: "127.0.0.1", Path: "/v1/", Params: v2, Signature: "odsGmT811GffUO0Eu13Pq+xTzKNIjJ6NhgZU74tYX/w="},
		"version 4": v4,
	}
}

func TestSignatures(t *testing.T) {
	const secret1, secret4 = "89cdf9e94e2643cab35b8b8ac5a51f83", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	for name, r := range examples() {
		secret := secret1
		if name == "version 4" {
			secret = secret4
		}
		if !r.Holds(secret) {
			got, err := r.sign(secret)
			t.Errorf("%s: signature %s %v, want %s", name, got, err, r.Signature)
		}
		if r.Holds(secret + "x") {
			t.Errorf("%s: another secret holds", name)
		}
		r.Signature = ""
		if r.Holds(secret) {
			t.Errorf("%s: no signature holds", name)
		}
	}
}

func TestVersion4IsBoundToItsRequest(t *testing.T) {
	const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	changes := map[string]func(r *Request){
		"another body":            func(r *Request) { r.BodyHash = "00" },
		"no body hash":            func(r *Request) { r.BodyHash = "" },
		"another verb":            func(r *Request) { r.Verb = "DELETE" },
		"another path":            func(r *Request) { r.Path = "/x" },
		"another access key":      func(r *Request) { r.Access = "OTHER" },
		"another day":             func(r *Request) { r.Headers["X-Amz-Date"] = "20110910T000000Z" },
		"an unknown version":      func(r *Request) { r.Params["SignatureVersion"] = "9" },
		"a signed header differs": func(r *Request) { r.Headers["Host"] = "elsewhere" },
	}
	for name, change := range changes {
		r := examples()["version 4"]
		r.Headers, r.Params = maps.Clone(r.Headers), maps.Clone(r.Params)
		change(&r)
		if r.Holds(secret) {
			t.Errorf("%s: the signature holds", name)
		}
	}
}

func TestHostMayBeSignedWithoutItsPort(t *testing.T) {
	r := examples()["version 2"]
	r.Host = "127.0.0.1:8788"
	if !r.Holds("89cdf9e94e2643cab35b8b8ac5a51f83") {
		t.Error("a host with its port")
	}
}

func TestTexts(t *testing.T) {
	const secret = "s"
	v4 := "AWS4-HMAC-SHA256\n20260304T050607Z\n20260304/r/s3/aws4_request\nabc"
	signed := func(text string) string {
		return hex.EncodeToString(keyed256(key4(secret, []string{"20260304", "r", "s3", "aws4_request"}), text))
	}
	tests := map[string]struct {
		text, signature string
		want            bool
	}{
		"version 1":                 {"GET\n\n", keyed1(secret, "GET\n\n"), true},
		"version 4":                 {v4, signed(v4), true},
		"a service that may not":    {"AWS4-HMAC-SHA256\nd\n20260304/r/ec2/aws4_request\nabc", "", false},
		"no scope":                  {"AWS4-HMAC-SHA256\nd\nx\nabc", "", false},
		"version 1's key is no use": {v4, keyed1(secret, v4), false},
		"nothing":                   {"", "", false},
	}
	for name, tt := range tests {
		if got := HoldsText([]byte(tt.text), tt.signature, secret); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
