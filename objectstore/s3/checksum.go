package s3

import (
	"crypto/sha1" //nolint:gosec // one of the checksums that clients choose from
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"net/http"
	"strings"
)

// checksums are those that S3 knows, by the end of their header's name.
var checksums = map[string]func() hash.Hash{
	"crc32":     func() hash.Hash { return crc32.NewIEEE() },
	"crc32c":    func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) },
	"crc64nvme": func() hash.Hash { return crc64.New(nvme) },
	"sha1":      sha1.New,
	"sha256":    sha256.New,
}

// nvme is the polynomial of the NVM Express specification's CRC-64, reversed.
var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

const (
	checksumHeader = "x-amz-checksum-"
	checksumKey    = "s3.checksum-" // in System
)

// checksum is one that a request gives for its body.
type checksum struct {
	hash.Hash
	name  string
	given string // base64; of a trailer only once that has come
	late  bool   // in a trailer
}

// checksumOf finds the checksum that a request gives or announces; nil: none.
func checksumOf(h http.Header) (*checksum, error) {
	var found *checksum
	for name, make := range checksums {
		value := h.Get(checksumHeader + name)
		late := strings.EqualFold(strings.TrimSpace(h.Get("X-Amz-Trailer")), checksumHeader+name)
		if value == "" && !late {
			continue
		}
		if found != nil {
			return nil, refusal("InvalidRequest", "Message", "Expecting a single x-amz-checksum- header. Multiple checksum types are not allowed.")
		}
		found = &checksum{make(), name, value, late}
		if raw, err := base64.StdEncoding.DecodeString(value); !late && (err != nil || len(raw) != found.Size()) {
			return nil, refusal("InvalidRequest", "Message", "Value for "+checksumHeader+name+" header is invalid.")
		}
	}
	return found, nil
}

func (s *checksum) trailer(trailers map[string]string) {
	if s.late {
		s.given = trailers[checksumHeader+s.name]
	}
}

func (s *checksum) value() string { return base64.StdEncoding.EncodeToString(s.Sum(nil)) }

func (s *checksum) check() error {
	switch s.given {
	case s.value():
		return nil
	case "":
		return refusal("MalformedTrailerError")
	}
	return refusal("BadDigest", "Message", "The "+strings.ToUpper(s.name)+" you specified did not match the calculated checksum.")
}
