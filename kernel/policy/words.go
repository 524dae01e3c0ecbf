package policy

import (
	"fmt"
	"strings"
)

// Words says the explanation as a person would: which checks of which subrules
// decided, and, of a refusal, which roles would have changed it.
func (e Explanation) Words() string {
	if !e.Found {
		return "refused: there is no rule " + e.Rule + ", and what has no rule is refused\n"
	}
	var b strings.Builder
	verdict, lead := "allowed", "because"
	if !e.Allowed {
		verdict, lead = "refused", "because none of the ways to be allowed is open"
		if len(e.Deciding) == 1 {
			lead = "because"
		}
	}
	fmt.Fprintf(&b, "%s: %s, %s:\n", verdict, e.Rule, lead)
	var missing []string
	for _, l := range e.Deciding {
		fmt.Fprintf(&b, "  %s%s\n", l.words(e.Allowed), l.way())
		if role, is := strings.CutPrefix(l.Check, "role:"); is && !e.Allowed {
			missing = append(missing, role)
		}
	}
	if len(missing) > 0 {
		fmt.Fprintf(&b, "missing role: %s\n", strings.Join(missing, " or "))
	}
	return b.String()
}

func (l Leaf) way() string {
	if len(l.Via) < 2 {
		return " [" + l.Check + "]"
	}
	return " [" + l.Check + ", of " + strings.Join(l.Via[1:], " > ") + "]"
}

func (l Leaf) words(holds bool) string {
	not := " not"
	if holds {
		not = ""
	}
	kind, match, _ := strings.Cut(l.Check, ":")
	switch {
	case l.Check == "!":
		return "nobody may"
	case l.Check == "@":
		return "everybody may"
	case kind == "role":
		if holds {
			return "the caller has the role " + match
		}
		return "the caller has not the role " + match
	case kind == "project_id" || kind == "tenant_id":
		return "the object is" + not + " of the token's project"
	case kind == "domain_id" || kind == "token.domain.id":
		return "the object is" + not + " of the token's domain"
	case kind == "user_id":
		return "the object is" + not + " the caller's own"
	case kind == "system_scope":
		return "the token is" + not + " for the whole system"
	case kind == "is_admin" || kind == "is_admin_project":
		return "the caller is" + not + " an administrator"
	}
	if holds {
		return "it holds that " + l.Check
	}
	return "it does not hold that " + l.Check
}
