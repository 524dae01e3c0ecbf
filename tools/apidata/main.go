// Command apidata makes the contract data of the kernel from the API tables
// and OpenAPI documents of the 2026.1 services:
//
//	apidata -from DIR [-only policies|contract|schemas|samples]
//
// DIR (or $ALTOSTACK_API_DATA) holds operations.tsv, policies.tsv, the other
// tables and openapi/<service>.json, which come from gtema/openstack
// (openstack_types/data, Apache-2.0). The output is checked in; the input is
// only needed to make it anew for another release.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	from := flag.String("from", os.Getenv("ALTOSTACK_API_DATA"), "directory with the API tables")
	root := flag.String("root", "../..", "root of the repository")
	only := flag.String("only", "", "make only policies, contract, schemas or samples")
	flag.Parse()
	if *from == "" {
		fmt.Fprintln(os.Stderr, "apidata: give -from DIR or set ALTOSTACK_API_DATA")
		os.Exit(2)
	}
	steps := []struct {
		name string
		run  func(from, root string) error
	}{{"policies", policies}, {"contract", contract}, {"schemas", schemas}, {"samples", samples}}
	for _, s := range steps {
		if *only != "" && *only != s.name {
			continue
		}
		if err := s.run(*from, *root); err != nil {
			fmt.Fprintln(os.Stderr, "apidata:", err)
			os.Exit(1)
		}
	}
}

// policies keeps what the engine needs; "" is the check that always allows.
func policies(from, root string) error {
	rows, err := readTable(filepath.Join(from, "policies.tsv"))
	if err != nil {
		return err
	}
	out := [][]string{{"service", "rule", "check", "scope_types", "operations"}}
	for _, r := range rows[1:] {
		check := r[2]
		if strings.HasPrefix(check, "(empty") {
			check = ""
		}
		out = append(out, []string{r[0], r[1], check, r[4], r[5]})
	}
	return writeTable(filepath.Join(root, "kernel/policy/policies.tsv"), out)
}

func contract(from, root string) error {
	dir := filepath.Join(root, "kernel/contract")
	rows, err := readTable(filepath.Join(from, "operations.tsv"))
	if err != nil {
		return err
	}
	for i, r := range rows {
		rows[i] = append(append([]string{}, r[:8]...), r[10:13]...)
	}
	if err := writeTable(filepath.Join(dir, "operations.tsv"), rows); err != nil {
		return err
	}
	for in, out := range map[string]string{
		"microversions.tsv":      "microversions.tsv",
		"neutron-attributes.tsv": "neutron_attributes.tsv",
		"neutron-extensions.tsv": "neutron_extensions.tsv",
	} {
		rows, err := readTable(filepath.Join(from, in))
		if err != nil {
			return err
		}
		if err := writeTable(filepath.Join(dir, out), rows); err != nil {
			return err
		}
	}
	return nil
}

func readTable(name string) ([][]string, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for line := range strings.Lines(string(data)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return rows, nil
}

func writeTable(name string, rows [][]string) error {
	var b strings.Builder
	for _, r := range rows {
		b.WriteString(strings.Join(r, "\t"))
		b.WriteByte('\n')
	}
	return os.WriteFile(name, []byte(b.String()), 0o644)
}
