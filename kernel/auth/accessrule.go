package auth

import "strings"

// AccessRule lets a restricted application credential make one kind of call.
// In a path * stands for anything within a segment, {name} for a whole segment
// and ** for anything at all.
//
// Source: keystonemiddleware's auth_token filter.
type AccessRule struct{ Service, Method, Path string }

// Permits tells whether the bearer's token may make a call; path is without the
// service's mount. service is a service type or one of its aliases.
func (p *Principal) Permits(method, path string, service ...string) bool {
	if p.AccessRules == nil {
		return true
	}
	for _, r := range p.AccessRules {
		for _, name := range service {
			if r.Service == name && r.Method == method && matches(r.Path, path) {
				return true
			}
		}
	}
	return false
}

// matches follows every way of reading the pattern at once, so that no pattern
// is slow: at[i] says that what was read of it can stand for path[:i].
func matches(pattern, path string) bool {
	at := make([]bool, len(path)+1)
	at[0] = true
	for pattern != "" {
		next := make([]bool, len(path)+1)
		tag := strings.IndexByte(pattern, '}')
		switch {
		case strings.HasPrefix(pattern, "**"):
			pattern = pattern[2:]
			for i, on := 0, false; i <= len(path); i++ {
				on = on || at[i]
				next[i] = on
			}
		case pattern[0] == '*':
			pattern = pattern[1:]
			for i, on := 0, false; i <= len(path); i++ {
				on = at[i] || on && path[i-1] != '/'
				next[i] = on
			}
		case pattern[0] == '{' && tag > 0:
			pattern = pattern[tag+1:]
			for i, on := 1, false; i <= len(path); i++ {
				on = (on || at[i-1]) && path[i-1] != '/'
				next[i] = on
			}
		default:
			for i := 1; i <= len(path); i++ {
				next[i] = at[i-1] && path[i-1] == pattern[0]
			}
			pattern = pattern[1:]
		}
		at = next
	}
	return at[len(path)]
}
