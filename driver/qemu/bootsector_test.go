package qemu

import "encoding/binary"

// bootSector is an operating system of one sector, for tests: it says "up" on
// its serial port, powers off when the power button is pressed, and lets go of
// every device it is asked for, through QEMU's ACPI hot-plug registers
// (docs/specs/acpi_pci_hotplug in QEMU's source). Between two looks it sleeps
// until the next tick of the clock, 18 a second.
func bootSector(machine string) []byte {
	hotplug := uint16(0x0cc0)
	if machine == "pc" {
		hotplug = 0xae00
	}
	var code []byte
	emit := func(b ...byte) { code = append(code, b...) }
	movDX := func(port uint16) { emit(0xba); code = binary.LittleEndian.AppendUint16(code, port) }
	emit(0xfa) // cli
	movDX(0x3f8)
	for _, c := range []byte("up\r\n") {
		emit(0xb0, c, 0xee) // mov al,c; out dx,al
	}
	movDX(0x602)
	emit(0xb8, 0x00, 0x01, 0xef) // mov ax,100h; out dx,ax: hear the power button
	loop := len(code)
	emit(0xfb, 0xf4) // sti; hlt
	movDX(0x600)
	emit(0xed, 0xf6, 0xc4, 0x01, 0x74, 0x07) // in ax,dx; test ah,1; jz over the next three
	movDX(0x604)
	emit(0xb8, 0x00, 0x20, 0xef) // mov ax,2000h; out dx,ax: soft off
	emit(0x66, 0x31, 0xdb)       // xor ebx,ebx: the bus
	next := len(code)
	movDX(hotplug + 0x10)
	emit(0x66, 0x89, 0xd8, 0x66, 0xef) // mov eax,ebx; out dx,eax: select it
	movDX(hotplug + 4)
	emit(0x66, 0xed, 0x66, 0x85, 0xc0, 0x74, 0x05) // in eax,dx; test eax,eax; jz over the next two
	movDX(hotplug + 8)
	emit(0x66, 0xef)                                    // out dx,eax: eject
	emit(0x43, 0x83, 0xfb, 0x40, 0x72)                  // inc bx; cmp bx,64; jb next
	emit(byte(next - len(code) - 1))                    //
	emit(0xeb, byte(loop-len(code)-2))                  // jmp loop
	code = append(code, make([]byte, 510-len(code))...) //
	return append(append(code, 0x55, 0xaa), make([]byte, 1<<20-512)...)
}
