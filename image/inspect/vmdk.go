package inspect

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"strconv"
	"strings"
)

// Facts: VMware Virtual Disk Format 5.0; QEMU's block/vmdk.c opens whatever a
// descriptor names, also for a header that claims a capacity of nothing.

const (
	sector         = 512
	vmdkHeader     = 512
	maxDescriptor  = 1<<20 - 1
	grainsAtEnd    = 1<<64 - 1
	footerMarker   = 3
	vmdkTrailer    = 3 * sector // footer's marker, footer, end-of-stream marker
	maxVMDKVersion = 3
)

// vmdkText reports whether the data is a VMDK descriptor: comments, then its
// version. It names other files, which QEMU would open.
func vmdkText(head []byte) bool {
	for len(head) > 0 {
		line, rest, _ := bytes.Cut(head, []byte("\n"))
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0 || line[0] == '#':
			head = rest
		default:
			return bytes.HasPrefix(line, []byte("version="))
		}
	}
	return false
}

// vmdk answers the size of the disk in a VMDK of one file: monolithicSparse or
// streamOptimized.
func vmdk(v view) (int64, error) {
	h := v.start(vmdkHeader)
	if !bytes.HasPrefix(h, []byte("KDMV")) {
		return 0, unsafe("vmdk", "it is a descriptor of other files, or of a subtype that is not allowed; streamOptimized and monolithicSparse are")
	}
	if len(h) < vmdkHeader {
		return 0, unsafe("vmdk", "the header is cut off after %d bytes", len(h))
	}
	le := binary.LittleEndian
	if version := le.Uint32(h[4:]); version < 1 || version > maxVMDKVersion {
		return 0, unsafe("vmdk", "version %d is not known", version)
	}
	capacity, grain := le.Uint64(h[12:]), le.Uint64(h[20:])
	switch {
	case capacity == 0:
		return 0, unsafe("vmdk", "its capacity is nothing, so that its descriptor would be followed")
	case capacity > MaxVirtual/sector:
		return 0, unsafe("vmdk", "its disk of %d sectors is larger than %d bytes", capacity, int64(MaxVirtual))
	case grain == 0 || grain > 1<<16 || grain&(grain-1) != 0:
		return 0, unsafe("vmdk", "its grains of %d sectors make no sense", grain)
	case le.Uint32(h[44:]) == 0 || le.Uint32(h[44:]) > 512:
		return 0, unsafe("vmdk", "its tables of %d entries make no sense", le.Uint32(h[44:]))
	}
	kind, err := vmdkDescriptor(v, le.Uint64(h[28:]), le.Uint64(h[36:]), capacity)
	if err != nil {
		return 0, err
	}
	if le.Uint64(h[56:]) == grainsAtEnd {
		if kind != "streamOptimized" {
			return 0, unsafe("vmdk", "only a streamOptimized image keeps its tables at the end")
		}
		if err := vmdkFooter(v, h); err != nil {
			return 0, err
		}
	}
	return int64(capacity) * sector, nil
}

// vmdkDescriptor reads the text inside of the image; it may name the image alone.
func vmdkDescriptor(v view, at, sectors, capacity uint64) (string, error) {
	if at != 1 || sectors == 0 || sectors*sector > maxDescriptor {
		return "", unsafe("vmdk", "its descriptor of %d sectors at sector %d is not where it belongs", sectors, at)
	}
	text, err := v.at(sector, int(sectors*sector))
	if err != nil {
		return "", err
	}
	if end := bytes.IndexByte(text, 0); end >= 0 {
		text = text[:end]
	}
	return vmdkWords(string(text), capacity)
}

var (
	vmdkKey    = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9._]*)\s*=\s*(.*)$`)
	vmdkExtent = regexp.MustCompile(`^(RW|RDONLY|NOACCESS)\s+(\d+)\s+([A-Z]+)\s+"([^"]*)"$`)
)

// vmdkWords walks the lines of a descriptor; a line that is not known is refused.
func vmdkWords(text string, capacity uint64) (string, error) {
	kind, extents := "", 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if m := vmdkExtent.FindStringSubmatch(line); m != nil {
			size, err := strconv.ParseUint(m[2], 10, 63)
			if extents++; err != nil || m[1] != "RW" || m[3] != "SPARSE" || size != capacity || strings.ContainsAny(m[4], `/\:`) {
				return "", unsafe("vmdk", "its extent %q would open something else", line[:min(len(line), 80)])
			}
			continue
		}
		m := vmdkKey.FindStringSubmatch(line)
		if m == nil {
			return "", unsafe("vmdk", "its descriptor has a line that is not known: %q", line[:min(len(line), 80)])
		}
		value := strings.Trim(m[2], `"`)
		switch strings.ToLower(m[1]) {
		case "createtype":
			if kind = value; kind != "monolithicSparse" && kind != "streamOptimized" {
				return "", unsafe("vmdk", "its subtype %q is not allowed; streamOptimized and monolithicSparse are", kind[:min(len(kind), 40)])
			}
		case "parentcid":
			if !strings.EqualFold(value, "ffffffff") {
				return "", unsafe("vmdk", "it has a backing file")
			}
		case "parentfilenamehint":
			return "", unsafe("vmdk", "it names a backing file")
		}
	}
	switch {
	case kind == "":
		return "", unsafe("vmdk", "its descriptor names no subtype")
	case extents != 1:
		return "", unsafe("vmdk", "it has %d extents, not one", extents)
	}
	return kind, nil
}

// vmdkFooter checks that the header's copy at the end, which counts for QEMU, says
// the same and does not move the descriptor.
func vmdkFooter(v view, h []byte) error {
	t, err := v.end(vmdkTrailer)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	marker, footer, last := t[:sector], t[sector:2*sector], t[2*sector:]
	zero := make([]byte, sector-16)
	switch {
	case le.Uint32(marker[8:]) != 0 || le.Uint32(marker[12:]) != footerMarker || !bytes.Equal(marker[16:], zero):
		return unsafe("vmdk", "the marker of its footer is not right")
	case !bytes.Equal(footer[:8], h[:8]) || !bytes.Equal(footer[12:44], h[12:44]):
		return unsafe("vmdk", "header and footer differ")
	case le.Uint64(footer[56:]) == grainsAtEnd:
		return unsafe("vmdk", "its footer points to another footer")
	case !bytes.Equal(last, make([]byte, sector)):
		return unsafe("vmdk", "its end-of-stream marker is not right")
	}
	return nil
}
