package inspect

import "encoding/binary"

// Facts: ECMA-119.

const isoVolume = 32 << 10 // where the first volume descriptor starts

// iso answers the size of the file system on a CD image, 0 where it is not said.
func iso(v view) (int64, error) {
	d, err := v.at(isoVolume, 2048)
	if err != nil {
		return 0, err
	}
	if d[0] != 1 || string(d[1:6]) != "CD001" {
		return 0, nil // not the primary descriptor: as large as the data
	}
	le := binary.LittleEndian
	block, blocks := le.Uint16(d[128:]), le.Uint32(d[80:])
	if block != 512 && block != 1024 && block != 2048 {
		return 0, unsafe("iso", "its blocks of %d bytes make no sense", block)
	}
	return int64(block) * int64(blocks), nil
}
