package s3

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
)

// The secret and the requests of Amazon's own examples of signatures.
const exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

func example(method, target string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, "http://examplebucket.s3.amazonaws.com"+target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func TestExamplesOfSignatures(t *testing.T) {
	const auth = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders="
	for name, tt := range map[string]struct {
		r    *http.Request
		want string
	}{
		"get": {example("GET", "/test.txt", "Range", "bytes=0-9", "X-Amz-Content-Sha256", emptySHA256, "X-Amz-Date", "20130524T000000Z",
			"Authorization", auth+"host;range;x-amz-content-sha256;x-amz-date,Signature=x"), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		"put": {example("PUT", "/test$file.text", "Date", "Fri, 24 May 2013 00:00:00 GMT", "X-Amz-Date", "20130524T000000Z", "X-Amz-Storage-Class", "REDUCED_REDUNDANCY",
			"X-Amz-Content-Sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
			"Authorization", auth+"date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature=x"), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
		"lifecycle": {example("GET", "/?lifecycle", "X-Amz-Content-Sha256", emptySHA256, "X-Amz-Date", "20130524T000000Z",
			"Authorization", auth+"host;x-amz-content-sha256;x-amz-date,Signature=x"), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		"list": {example("GET", "/?max-keys=2&prefix=J", "X-Amz-Content-Sha256", emptySHA256, "X-Amz-Date", "20130524T000000Z",
			"Authorization", auth+"host;x-amz-content-sha256;x-amz-date,Signature=x"), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
		"link": {example("GET", "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=x"),
			"aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"},
	} {
		s, err := parseV4(tt.r, tt.r.URL.Query(), how(tt.r))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		s.secret = exampleSecret
		if got := s.v4(tt.r, tt.r.URL.Query()); got != tt.want || s.access != "AKIAIOSFODNN7EXAMPLE" {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func chunk(size int, signature string) string {
	return fmt.Sprintf("%x;chunk-signature=%s\r\n%s\r\n", size, signature, strings.Repeat("a", size))
}

func TestExampleOfSignedChunks(t *testing.T) {
	s := &signature{secret: exampleSecret, scope: "20130524/us-east-1/s3/aws4_request", date: "20130524T000000Z", payload: payloadSigned,
		given: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"}
	first := chunk(65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648")
	second := chunk(1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497")
	last := chunk(0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9")
	for name, tt := range map[string]struct{ body, code string }{
		"as it should be":           {first + second + last, ""},
		"without the last line":     {strings.TrimSuffix(first+second+last, "\r\n"), ""},
		"another byte":              {strings.Replace(first, "aa\r\n", "ab\r\n", 1) + second + last, "SignatureDoesNotMatch"},
		"a piece left out":          {second + last, "SignatureDoesNotMatch"},
		"the end left out":          {first + second, "IncompleteBody"},
		"a piece cut":               {first[:1000], "IncompleteBody"},
		"a size that is none":       {"x;chunk-signature=y\r\n", "IncompleteBody"},
		"a negative size":           {"-1;chunk-signature=y\r\n", "IncompleteBody"},
		"a line without end":        {strings.Repeat("1", 100000), "IncompleteBody"},
		"a trailer nobody promised": {first + second + strings.TrimSuffix(last, "\r\n") + "x-a:b\r\n\r\n", "MalformedTrailerError"},
	} {
		data, err := io.ReadAll(newChunks(iotest.HalfReader(strings.NewReader(tt.body)), s))
		var f *failure
		switch {
		case tt.code == "" && (err != nil || len(data) != 66560):
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		case tt.code != "" && (!errors.As(err, &f) || f.code != tt.code):
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnsignedChunksWithTrailer(t *testing.T) {
	sum := checksums["crc64nvme"]()
	sum.Write([]byte("123456789"))
	good := base64.StdEncoding.EncodeToString(sum.Sum(nil))
	if good != "rosUhgp5mIg=" {
		t.Fatal("the CRC-64 of the specification's example is", good)
	}
	for name, tt := range map[string]struct{ trailer, code string }{
		"right":   {"x-amz-checksum-crc64nvme:" + good + "\r\n\r\n", ""},
		"wrong":   {"x-amz-checksum-crc64nvme:AAAAAAAAAAA=\r\n\r\n", "BadDigest"},
		"missing": {"\r\n", "MalformedTrailerError"},
		"no pair": {"what\r\n\r\n", "MalformedTrailerError"},
	} {
		r := httptest.NewRequest("PUT", "/b/k", strings.NewReader("5\r\n12345\r\n4\r\n6789\r\n0\r\n"+tt.trailer))
		r.Header.Set("X-Amz-Decoded-Content-Length", "9")
		r.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc64nvme")
		c := &call{r: r, sig: signature{payload: payloadUnsignedTrailers}}
		p, err := c.body()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(p)
		var f *failure
		switch {
		case tt.code == "" && (err != nil || string(data) != "123456789" || p.length != 9):
			t.Errorf("%s: %q %v", name, data, err)
		case tt.code != "" && (!errors.As(err, &f) || f.code != tt.code):
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBodiesThatAreNotWhatTheyShouldBe(t *testing.T) {
	for name, tt := range map[string]struct {
		payload string
		headers []string
		code    string
	}{
		"hash":           {strings.Repeat("0", 64), nil, "XAmzContentSHA256Mismatch"},
		"no hash":        {"hello", nil, "InvalidArgument"},
		"unknown way":    {"STREAMING-X", nil, "NotImplemented"},
		"no length":      {payloadSigned, nil, "MissingContentLength"},
		"md5":            {payloadUnsigned, []string{"Content-Md5", "x"}, "InvalidDigest"},
		"checksum":       {payloadUnsigned, []string{"X-Amz-Checksum-Crc32", "AAAAAA=="}, "BadDigest"},
		"no checksum":    {payloadUnsigned, []string{"X-Amz-Checksum-Crc32", "x"}, "InvalidRequest"},
		"two checksums":  {payloadUnsigned, []string{"X-Amz-Checksum-Crc32", "AAAAAA==", "X-Amz-Checksum-Crc32c", "AAAAAA=="}, "InvalidRequest"},
		"short checksum": {payloadUnsigned, []string{"X-Amz-Checksum-Sha256", "AAAAAA=="}, "InvalidRequest"},
	} {
		r := httptest.NewRequest("PUT", "/b/k", strings.NewReader("data"))
		for i := 0; i < len(tt.headers); i += 2 {
			r.Header.Set(tt.headers[i], tt.headers[i+1])
		}
		p, err := (&call{r: r, sig: signature{payload: tt.payload}}).body()
		if err == nil {
			_, err = io.ReadAll(p)
		}
		var f *failure
		if !errors.As(err, &f) || f.code != tt.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryCodeHasAStatus(t *testing.T) {
	for _, name := range codes {
		if refusals[name].status == 0 {
			t.Errorf("%s has no status", name)
		}
	}
}

func TestRanges(t *testing.T) {
	for header, want := range map[string]string{
		"": "no", "bytes=0-0": "0+1", "bytes=2-": "2+8", "bytes=-3": "7+3", "bytes=-20": "0+10", "bytes=5-100": "5+5", "bytes=10-": "bad", "bytes=-0": "bad",
		"bytes=3-1": "no", "bytes=0-1,4-5": "no", "lines=1-2": "no", "bytes=a-b": "no",
	} {
		span, asked, ok := parseRange(header, 10)
		got := "no"
		if asked && ok {
			got = fmt.Sprintf("%d+%d", span[0], span[1])
		} else if asked {
			got = "bad"
		}
		if got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}
