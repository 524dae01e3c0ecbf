// Command gen makes codes_gen.go and docs/errors.md from codes.tsv.
package main

import (
	"bytes"
	"fmt"
	"go/format"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	data, err := os.ReadFile("codes.tsv")
	if err != nil {
		log.Fatal(err)
	}
	var rows [][]string
	seen := map[string]bool{}
	for i, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		cells := strings.Split(line, "\t")
		if i == 0 || strings.TrimSpace(line) == "" {
			continue
		}
		for len(cells) < 5 {
			cells = append(cells, "")
		}
		if seen[cells[0]] {
			log.Fatalf("codes.tsv: line %d: %s stands twice", i+1, cells[0])
		}
		seen[cells[0]] = true
		rows = append(rows, cells)
	}
	slices.SortFunc(rows, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	write("codes_gen.go", source(rows))
	write(filepath.Join("..", "..", "docs", "errors.md"), document(rows))
}

func source(rows [][]string) []byte {
	var b bytes.Buffer
	b.WriteString("// Code generated from codes.tsv by go generate; DO NOT EDIT.\n\npackage fault\n\n// The codes there are.\nconst (\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "\t%s Code = %q\n", constant(r[0]), r[0])
	}
	b.WriteString(")\n\nvar definitions = map[Code]Definition{\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "\t%s: {Code: %s, Kind: %s, Type: %q, Hint: %q, Meaning: %q},\n", constant(r[0]), constant(r[0]), r[1], r[2], r[3], r[4])
	}
	b.WriteString("}\n")
	out, err := format.Source(b.Bytes())
	if err != nil {
		log.Fatalf("codes.tsv: %v", err)
	}
	return out
}

func document(rows [][]string) []byte {
	var b bytes.Buffer
	b.WriteString("# Error codes\n\nMade from kernel/fault/codes.tsv by `make generate`. A code is stable; the message beside it is for people and may change.\n\n")
	b.WriteString("| code | kind | what happened | what to do |\n|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r[0], r[1], r[4], r[3])
	}
	return b.Bytes()
}

// constant spells compute.flavor_disk_too_small as CodeComputeFlavorDiskTooSmall.
func constant(code string) string {
	var b strings.Builder
	b.WriteString("Code")
	for _, w := range strings.FieldsFunc(code, func(r rune) bool { return r == '.' || r == '_' || r == '-' }) {
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	return b.String()
}

func write(path string, data []byte) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		log.Fatal(err)
	}
}
