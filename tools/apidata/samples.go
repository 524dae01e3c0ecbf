package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// samples gathers the documented request bodies, each with its operation and
// version, as the test data of kernel/schema.
func samples(from, root string) error {
	index, err := readTable(filepath.Join(from, "samples/index.tsv"))
	if err != nil {
		return err
	}
	rows := [][]string{{"service", "method", "path", "action", "version", "body", "sample"}}
	for _, r := range index[1:] {
		if r[4] != "request" || !slices.Contains(validated, r[0]) || !strings.HasSuffix(r[6], ".json") {
			continue
		}
		body, err := os.ReadFile(filepath.Join(from, "samples", r[6]))
		if err != nil {
			return err
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, body); err != nil {
			return fmt.Errorf("%s: %w", r[6], err)
		}
		action := r[3]
		if action == "" && strings.HasSuffix(r[2], "/action") {
			action = onlyKey(body)
		}
		rows = append(rows, []string{r[0], r[1], r[2], action, r[5], compact.String(), r[6]})
	}
	return writeTable(filepath.Join(root, "kernel/schema/testdata/samples.tsv"), rows)
}

// onlyKey is the action of an action body.
func onlyKey(body []byte) string {
	var m map[string]json.RawMessage
	if json.Unmarshal(body, &m) != nil || len(m) != 1 {
		return ""
	}
	for k := range m {
		return k
	}
	return ""
}
