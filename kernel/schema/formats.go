package schema

import (
	"errors"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// errFormat is a refusal without words of its own: "'x' is not a 'uuid'".
var errFormat = errors.New("wrong format")

// detailError is a format's own message, which the service gives instead of
// the usual one.
type detailError string

func (e detailError) Error() string { return string(e) }

// formats returns the checks of format: keywords in a service's schemas.
func formats(service string) []*jsonschema.Format {
	list := []*jsonschema.Format{
		text("uuid", isUUID), text("date-time", isTime), text("base64", isBase64), text("cidr", isCIDR),
		text("ipv4", isIPv4), text("ipv6", isIPv6), text("uri", isURI), text("hostname", isHostname),
		text("regex", isRegexp), text("mysql_text", func(s string) bool { return len(s) <= 65535 }),
	}
	switch service {
	case "nova":
		return append(list, novaFormats...)
	case "cinder":
		return append(list, cinderFormats...)
	}
	return list
}

// text is a format that holds for any value but a string.
func text(name string, ok func(string) bool) *jsonschema.Format {
	return &jsonschema.Format{Name: name, Validate: func(v any) error {
		if s, isText := v.(string); isText && !ok(s) {
			return errFormat
		}
		return nil
	}}
}

// isUUID accepts what oslo's is_uuid_like does: 32 hexadecimal digits once
// braces, "urn:uuid:" and dashes are gone.
func isUUID(s string) bool {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "urn:", ""), "uuid:", "")
	s = strings.ReplaceAll(strings.Trim(s, "{}"), "-", "")
	if len(s) != 32 {
		return false
	}
	for i := range len(s) {
		c := s[i] | 0x20
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') || s[i] < '0' {
			return false
		}
	}
	return true
}

// timeLayouts are the forms of ISO 8601 that clients send.
var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999Z07",
	"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02", "2006-01", "2006", "20060102T150405Z07:00", "20060102T150405",
	"20060102",
}

func isTime(s string) bool {
	for _, layout := range timeLayouts {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}

// isBase64 is as lenient as Python's decoder: what is not of the alphabet does
// not count, only the padding has to fit.
func isBase64(s string) bool {
	digits, padding := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '+', c == '/':
			if padding == 0 {
				digits++
			}
		case c == '=' && digits%4 > 1:
			padding++
		}
	}
	return digits%4 == 0 || digits%4 > 1 && padding >= 4-digits%4
}

func isCIDR(s string) bool {
	_, err := netip.ParsePrefix(s)
	return err == nil
}

func isIPv4(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is4()
}

func isIPv6(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is6() && a.Zone() == ""
}

func isURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && u.Host != ""
}

var hostname = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*\.?$`)

func isHostname(s string) bool { return len(s) <= 255 && hostname.MatchString(s) }

func isRegexp(s string) bool {
	_, err := regexp.Compile(s)
	return s != "" && err == nil
}

// novaName is one of Nova's four checks of names; they differ in whether
// spaces may surround the name and whether a colon may be in it.
func novaName(format, reason string, spaces, colon bool) *jsonschema.Format {
	refuse := detailError("An invalid 'name' value was provided. The name must be: " + reason)
	return &jsonschema.Format{Name: format, Validate: func(v any) error {
		s, isText := v.(string)
		if !isText || !isPrintable(s) || !colon && strings.Contains(s, ":") {
			return refuse
		}
		trimmed := strings.TrimFunc(s, unicode.IsSpace)
		switch {
		case spaces && trimmed == "", !spaces && trimmed != s:
			return refuse
		}
		return nil
	}}
}

// isPrintable is Nova's notion: letters, marks, digits, punctuation, symbols
// and horizontal spaces. Nova stops at U+FFFE; characters above are accepted
// here, as there is no three-byte column they would have to fit.
func isPrintable(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Zs) {
			return false
		}
	}
	return true
}

var novaFormats = []*jsonschema.Format{
	novaName("name", "printable characters. Can not start or end with whitespace.", false, true),
	novaName("name_with_leading_trailing_spaces", "printable characters with at least one non space character", true, true),
	novaName("az_name", "printable characters except :.Can not start or end with whitespace.", false, false),
	novaName("az_name_with_leading_trailing_spaces", "printable characters except :, with at least one non space character", true, false),
}
