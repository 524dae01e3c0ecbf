package bulk

import (
	"archive/tar"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Archive reads the files of an archive as it arrives.
type Archive struct {
	tar  *tar.Reader
	base string
}

// File is one file of an archive. Path is container/object, or less where the
// archive has less; Header is what its extended attributes say of the object.
type File struct {
	Path   string
	Size   int64
	Header map[string]string
	Body   io.Reader
}

// Supported reports whether there is an archive format of that name.
func Supported(format string) bool {
	switch strings.Trim(strings.ToLower(format), ".") {
	case "tar", "tar.gz", "tar.bz2":
		return true
	}
	return false
}

// NewArchive reads an archive whose files go below base: nothing, a container, or a
// container and a prefix.
func NewArchive(body io.Reader, format, base string) (*Archive, error) {
	switch strings.Trim(strings.ToLower(format), ".") {
	case "tar.gz":
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, invalid(err)
		}
		body = z
	case "tar.bz2":
		body = bzip2.NewReader(body)
	}
	return &Archive{tar.NewReader(body), strings.Trim(base, "/")}, nil
}

func invalid(err error) Refusal {
	why := "not an archive"
	if errors.Is(err, io.ErrUnexpectedEOF) {
		why = "unexpected end of data"
	}
	return Refusal{"400 Bad Request", fmt.Sprintf("Invalid Tar File: %s", why)}
}

// Next answers the next file; io.EOF ends the archive, a Refusal says that it is none.
func (a *Archive) Next() (File, error) {
	for {
		h, err := a.tar.Next()
		if errors.Is(err, io.EOF) {
			return File{}, io.EOF
		}
		if err != nil {
			return File{}, invalid(err)
		}
		if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeGNUSparse {
			continue
		}
		path := strings.TrimLeft(strings.TrimPrefix(h.Name, "./"), "/")
		if a.base != "" {
			path = a.base + "/" + path
		}
		if !strings.Contains(path, "/") {
			continue // a file that no container could hold
		}
		return File{path, h.Size, headers(h.PAXRecords), a.tar}, nil
	}
}

// headers takes what attributes of a file say of its object.
func headers(records map[string]string) map[string]string {
	out := map[string]string{}
	for _, from := range []string{"SCHILY.xattr.user.", "LIBARCHIVE.xattr.user."} {
		for k, v := range records {
			switch rest, ok := strings.CutPrefix(k, from); {
			case ok && rest == "mime_type":
				out["Content-Type"] = v
			case ok && strings.HasPrefix(rest, "meta."):
				out["X-Object-Meta-"+strings.TrimPrefix(rest, "meta.")] = v
			}
		}
	}
	return out
}
