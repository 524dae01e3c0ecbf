//go:build race

package agent_test

// Under the race detector everything takes ten times as long.
func init() { scaleHosts = 100 }
