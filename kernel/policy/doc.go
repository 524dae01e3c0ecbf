// Package policy decides whether a caller may do something, in the language of
// oslo.policy: check strings such as "role:member and project_id:%(project_id)s"
// with one engine per service, since services reuse rule names.
//
// The one idea: a rule file is compiled once into a tree in which every
// "rule:" reference is already a pointer, so that asking costs a walk over a
// few nodes and no memory. What cannot be resolved (a missing rule, a rule that
// leads back to itself) compiles to "deny" and is reported by [Engine.Problems].
//
// An [Engine] may be asked and reloaded from any number of goroutines; a
// reload swaps the whole compiled table and a file with a fault changes nothing.
//
// Wire format: the policy.yaml of oslo.policy (map of rule name to check); the
// defaults in policies.tsv are those of the 2026.1 services. Two differences,
// both on the closed side: "http:" checks are refused when the file is read,
// and an absent credential never equals an absent target value.
package policy
