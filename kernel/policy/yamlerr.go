package policy

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml"
)

// yamlErrorLine finds the line a YAML error speaks of, 0 if it does not say.
func yamlErrorLine(err error) int {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		return at.GetToken().Position.Line
	}
	return 0
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
