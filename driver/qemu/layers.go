package qemu

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"altostack/kernel/fault"
)

// maxLayers bounds a chain of overlays.
const maxLayers = 8

// resolveLayers fills in what lies under the disks. A disk that was resolved
// before keeps its answer: a guest that subverted its QEMU can write anything
// into its overlay's header, another tenant's disk as its base too.
func resolveLayers(s *spec, before []disk) error {
	for i := range s.Disks {
		d := &s.Disks[i]
		if d.Format != "qcow2" || d.NBD != "" {
			continue
		}
		if known := findDisk(before, d.ID); known != nil && known.same(*d) {
			d.Base = known.Base
			continue
		}
		base, err := readLayers(d.Path)
		if err != nil {
			return fault.Because(err, fault.CodeQemuDiskUnusable, "The host cannot use disk %s of the server.", d.ID)
		}
		d.Base = base
	}
	return nil
}

func findDisk(disks []disk, id string) *disk {
	for i := range disks {
		if disks[i].ID == id {
			return &disks[i]
		}
	}
	return nil
}

func readLayers(path string) ([]layer, error) {
	var layers []layer
	for {
		below, err := readBase(path)
		if err != nil || below == nil {
			return layers, err
		}
		if layers = append(layers, *below); len(layers) > maxLayers {
			return nil, errors.New("too many layers")
		}
		if below.Format != "qcow2" {
			return layers, nil
		}
		path = below.Path
	}
}

// Offsets, bits and numbers of the qcow2 header; docs/interop/qcow2.txt in QEMU.
const (
	qcow2Magic         = 0x514649fb
	qcow2Known         = 1 | 2 | 8 | 16 // dirty, corrupt, compression type, extended entries: not 4, an external data file
	qcow2Encrypted     = 32             // offset of the encryption method
	qcow2BackingFormat = 0xe2792aca
	maxHeader          = 64 << 10
)

// readBase answers what a qcow2 file names as the layer below, or nil.
func readBase(path string) (*layer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, maxHeader)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("qcow2 header: %w", err)
	}
	below, err := parseBase(head[:n])
	if below != nil && !filepath.IsAbs(below.Path) {
		below.Path = filepath.Join(filepath.Dir(path), below.Path)
	}
	return below, err
}

// parseBase reads a header, which may be anything.
func parseBase(head []byte) (*layer, error) {
	u32 := func(at int) uint32 { return binary.BigEndian.Uint32(head[at:]) }
	u64 := func(at int) uint64 { return binary.BigEndian.Uint64(head[at:]) }
	if len(head) < 72 || u32(0) != qcow2Magic {
		return nil, errors.New("not a qcow2 file")
	}
	version, length := u32(4), 72
	if version != 2 && version != 3 {
		return nil, fmt.Errorf("qcow2 version %d", version)
	}
	if version == 3 {
		if len(head) < 104 {
			return nil, errors.New("the header is cut off")
		}
		if bits := u64(72); bits&^qcow2Known != 0 {
			return nil, fmt.Errorf("incompatible features %#x", bits)
		}
		length = int(u32(100))
	}
	if u32(qcow2Encrypted) != 0 {
		return nil, errors.New("encrypted")
	}
	at, size := u64(8), uint64(u32(16))
	if at == 0 {
		return nil, nil
	}
	if size == 0 || size > 1023 || at > uint64(len(head)) || at+size > uint64(len(head)) {
		return nil, errors.New("the name of the layer below is malformed")
	}
	name := string(head[at : at+size])
	format := backingFormat(head[:at], length)
	if format != "raw" && format != "qcow2" {
		return nil, fmt.Errorf("the layer below has format %q, and is not probed", format)
	}
	if bytes.ContainsRune([]byte(name), 0) || bytes.HasPrefix([]byte(name), []byte("json:")) {
		return nil, errors.New("the layer below is not named as a plain file")
	}
	return &layer{Path: name, Format: format}, nil
}

// backingFormat walks the header extensions.
func backingFormat(head []byte, at int) string {
	for at >= 72 && at+8 <= len(head) {
		kind, size := binary.BigEndian.Uint32(head[at:]), int(binary.BigEndian.Uint32(head[at+4:]))
		at += 8
		if kind == 0 || size > len(head)-at {
			return ""
		}
		if kind == qcow2BackingFormat {
			return string(head[at : at+size])
		}
		at += (size + 7) &^ 7
	}
	return ""
}
