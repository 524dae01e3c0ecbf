package compute

// Vault hides the passwords that guests are told, while they wait in the database
// for the next time that a guest is built.
type Vault interface {
	Hide(text string) string
	// Reveal answers what was hidden, and what never was as it is.
	Reveal(hidden string) string
}

func (s *Service) hide(text string) string {
	if s.Vault == nil || text == "" {
		return text
	}
	return s.Vault.Hide(text)
}

func (s *Service) reveal(hidden string) string {
	if s.Vault == nil {
		return hidden
	}
	return s.Vault.Reveal(hidden)
}
