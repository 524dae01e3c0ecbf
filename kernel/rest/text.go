package rest

import (
	"bytes"
	"net/url"
	"strings"
	"unicode/utf8"

	"altostack/kernel/fault"
)

// isText tells whether both databases can keep a string: it is UTF-8, and holds
// no NUL.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// checkQuery refuses a query with something in it that is not text. What is not
// well formed otherwise is left out by whoever reads it.
func checkQuery(raw string) error {
	if !strings.Contains(raw, "%") && isText(raw) {
		return nil
	}
	for part := range strings.SplitSeq(raw, "&") {
		if s, err := url.QueryUnescape(part); err == nil && !isText(s) {
			return fault.New(fault.CodeRestInvalidInput, "The query is not UTF-8 text without NUL.")
		}
	}
	return nil
}

// checkBody refuses a body with something in it that is not text. data is the
// body, v what was read from it.
func checkBody(data []byte, v any) error {
	if utf8.Valid(data) && (!bytes.Contains(data, []byte(`\u0000`)) || onlyText(v)) {
		return nil
	}
	return fault.New(fault.CodeRestBadJson, "The body is not UTF-8 text without NUL.")
}

func onlyText(v any) bool {
	switch x := v.(type) {
	case string:
		return isText(x)
	case []any:
		for _, e := range x {
			if !onlyText(e) {
				return false
			}
		}
	case map[string]any:
		for name, e := range x {
			if !isText(name) || !onlyText(e) {
				return false
			}
		}
	}
	return true
}
