package s3

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzChunks reads any bytes as a chunked body: it ends, and never gives more than
// it was given.
func FuzzChunks(f *testing.F) {
	for _, seed := range []string{"5\r\nhello\r\n0\r\n\r\n", "5;chunk-signature=x\r\nhello\r\n0;chunk-signature=y\r\n\r\n", "0\r\nx-amz-checksum-crc32:AA==\r\n\r\n", "ffffffffffffffff\r\n"} {
		f.Add(seed, uint8(0))
		f.Add(seed, uint8(1))
	}
	ways := []string{payloadUnsignedTrailers, payloadSigned, payloadSignedTrailer}
	f.Fuzz(func(t *testing.T, body string, way uint8) {
		data, err := io.ReadAll(newChunks(strings.NewReader(body), &signature{payload: ways[int(way)%len(ways)], scope: "a/b/s3/aws4_request"}))
		if len(data) > len(body) || err == nil && way%3 != 0 && len(data) > 0 {
			t.Errorf("%d bytes of %d: %v", len(data), len(body), err)
		}
	})
}

// FuzzSignature reads any header and query as a signature.
func FuzzSignature(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=x", "")
	f.Add("AWS a:b", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2F1%2Fr%2Fs3%2Faws4_request&X-Amz-Date=1&X-Amz-SignedHeaders=host&X-Amz-Signature=x")
	f.Fuzz(func(_ *testing.T, header, query string) {
		r := httptest.NewRequest("GET", "/b/k", nil)
		r.URL.RawQuery = query
		r.Header.Set("Authorization", header)
		r.Header.Set("X-Amz-Content-Sha256", payloadUnsigned)
		q := r.URL.Query()
		if s, err := parseV4(r, q, v4Header); err == nil {
			_ = s.v4(r, q)
		}
		if s, err := parseV4(r, q, v4Query); err == nil {
			_ = s.v4(r, q)
		}
		if s, err := parseV2(r, q, how(r)); err == nil {
			_ = s.v2(r, q, "/b/k")
		}
	})
}
