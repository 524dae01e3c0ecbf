package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

type memory map[string][]byte

func (m memory) Put(_ context.Context, name string, data []byte) error {
	m[name] = bytes.Clone(data)
	return nil
}

func (m memory) Get(_ context.Context, name string) (io.ReadCloser, error) {
	data, has := m[name]
	if !has {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

func back(t interface {
	Fatal(...any)
	Helper()
}, v memory, prefix string) []byte {
	t.Helper()
	m, err := Open(context.Background(), v, prefix, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(m.Reader(context.Background(), v))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Whatever a chain of disks looked like, each comes back as it was.
func TestChainsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := memory{}
		size := rapid.IntRange(1, 20<<20).Draw(t, "size")
		disk := make([]byte, size)
		var parent *Manifest
		var prefixes []string
		var disks [][]byte
		for i := range rapid.IntRange(1, 4).Draw(t, "archives") {
			for range rapid.IntRange(0, 6).Draw(t, "writes") {
				at := rapid.IntRange(0, size-1).Draw(t, "at")
				n := min(size-at, rapid.IntRange(1, 3<<20).Draw(t, "length"))
				if rapid.Bool().Draw(t, "zeros") {
					clear(disk[at : at+n])
				} else {
					disk[at] = byte(i + 1)
					disk[at+n-1] = byte(rapid.IntRange(0, 255).Draw(t, "byte"))
				}
			}
			prefix := strings.Repeat("p", i+1)
			m, _, _, err := Write(context.Background(), v, prefix, bytes.NewReader(disk), int64(size), parent, nil)
			if err != nil {
				t.Fatal(err)
			}
			parent, prefixes, disks = &m, append(prefixes, prefix), append(disks, bytes.Clone(disk))
		}
		for i, prefix := range prefixes {
			if !bytes.Equal(back(t, v, prefix), disks[i]) {
				t.Fatalf("archive %d came back otherwise", i)
			}
		}
	})
}

func noise(n int) []byte {
	out := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(out)
	return out
}

func TestIncrementKeepsOnlyWhatChanged(t *testing.T) {
	v := memory{}
	disk := noise(30 << 20)
	m, whole, _, err := Write(t.Context(), v, "a", bytes.NewReader(disk), int64(len(disk)), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	disk[17<<20]++
	_, part, objects, err := Write(t.Context(), v, "b", bytes.NewReader(disk), int64(len(disk)), &m, nil)
	if err != nil {
		t.Fatal(err)
	}
	if part > whole/10 || objects != 2 {
		t.Errorf("one byte changed of 30 MiB: %d bytes in %d objects were kept, %d of the whole", part, objects, whole)
	}
}

func TestNamesOfWhatNothingIsLeftOfGo(t *testing.T) {
	v := memory{}
	m, _, _, err := Write(t.Context(), v, "a", bytes.NewReader(noise(3<<20)), 3<<20, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if m, _, _, err = Write(t.Context(), v, "b", bytes.NewReader(bytes.Repeat([]byte{1}, 3<<20)), 3<<20, &m, nil); err != nil || len(m.Objects) != 1 {
		t.Errorf("the manifest of a disk that changed all over names %v, %v", m.Objects, err)
	}
}

func TestEmptyDiskIsAManifest(t *testing.T) {
	v := memory{}
	_, _, objects, err := Write(t.Context(), v, "z", io.LimitReader(void{}, 1<<30), 1<<30, nil, nil)
	if err != nil || objects != 1 {
		t.Errorf("%d objects, %v", objects, err)
	}
}

type void struct{}

func (void) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestDamageIsSeen(t *testing.T) {
	fresh := func(t *testing.T) memory {
		v := memory{}
		if _, _, _, err := Write(t.Context(), v, "a", bytes.NewReader(noise(9<<20)), 9<<20, nil, nil); err != nil {
			t.Fatal(err)
		}
		return v
	}
	other := memory{}
	if _, _, _, err := Write(t.Context(), other, "a", bytes.NewReader(bytes.Repeat([]byte{7}, 9<<20)), 9<<20, nil, nil); err != nil {
		t.Fatal(err)
	}
	for name, hurt := range map[string]func(v memory){
		"an object is gone":         func(v memory) { delete(v, "a-00002") },
		"an object is another's":    func(v memory) { v["a-00001"] = other["a-00001"] },
		"an object is cut":          func(v memory) { v["a-00001"] = v["a-00001"][:100] },
		"an object is nothing":      func(v memory) { v["a-00001"] = nil },
		"the manifest is cut":       func(v memory) { v["a_metadata"] = v["a_metadata"][:9] },
		"the manifest is another's": func(v memory) { v["a_metadata"] = other["a_metadata"] },
		"the manifest is of a larger disk": func(v memory) {
			if _, _, _, err := Write(t.Context(), v, "a", io.LimitReader(void{}, 10<<20), 10<<20, nil, nil); err != nil {
				t.Fatal(err)
			}
		},
		"the manifest unpacks to more than fits": func(v memory) {
			if _, _, _, err := Write(t.Context(), v, "a", io.LimitReader(void{}, 1), 1, nil, map[string]string{"x": strings.Repeat("x", 8<<20)}); err != nil {
				t.Fatal(err)
			}
		},
		"a block is beyond any disk": func(v memory) {
			w := &writer{ctx: t.Context(), vault: v}
			w.zip, _ = zstd.NewWriter(nil)
			if err := w.put("a_metadata", []byte(`{"version":1,"size_bytes":9437184,"prefix":"a","objects":["a-00001"],"blocks":[{"i":4611686018427387904,"o":0,"s":0,"h":""}]}`)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := fresh(t)
			hurt(v)
			m, err := Open(t.Context(), v, "a", 9<<20)
			if err == nil {
				_, err = io.Copy(io.Discard, m.Reader(t.Context(), v))
			}
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("answered %v", err)
			}
		})
	}
}

func TestShortDiskIsRefused(t *testing.T) {
	if _, _, _, err := Write(t.Context(), memory{}, "a", bytes.NewReader(noise(10)), 20, nil, nil); err == nil {
		t.Error("10 bytes were taken for 20")
	}
}
