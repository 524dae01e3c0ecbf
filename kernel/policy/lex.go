package policy

import (
	"fmt"
	"strings"
)

type tokenKind uint8

const (
	tokenCheck tokenKind = iota
	tokenAnd
	tokenOr
	tokenNot
	tokenOpen
	tokenClose
	tokenEnd
)

// token is one piece of a check string; at is its word's number, from 1, so
// that a parse error can say where it stands.
type token struct {
	kind tokenKind
	text string
	at   int
}

func (t token) String() string {
	switch t.kind {
	case tokenOpen:
		return `"("`
	case tokenClose:
		return `")"`
	case tokenEnd:
		return "the end"
	}
	return fmt.Sprintf("%q", t.text)
}

// lex cuts a check string into tokens. The language is made of words: brackets
// count only at the start and the end of a word, because "%(project_id)s" has
// brackets of its own.
func lex(text string) []token {
	var tokens []token
	for i, word := range strings.Fields(text) {
		at := i + 1
		for strings.HasPrefix(word, "(") {
			tokens = append(tokens, token{tokenOpen, "(", at})
			word = word[1:]
		}
		body := strings.TrimRight(word, ")")
		if body != "" {
			tokens = append(tokens, token{wordKind(body), body, at})
		}
		for range len(word) - len(body) {
			tokens = append(tokens, token{tokenClose, ")", at})
		}
	}
	return append(tokens, token{kind: tokenEnd, at: len(strings.Fields(text)) + 1})
}

func wordKind(word string) tokenKind {
	switch strings.ToLower(word) {
	case "and":
		return tokenAnd
	case "or":
		return tokenOr
	case "not":
		return tokenNot
	}
	return tokenCheck
}
