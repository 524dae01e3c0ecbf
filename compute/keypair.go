package compute

import "time"

// Keypair is a user's key, of which only the public half is kept.
type Keypair struct {
	Number                                     int64
	UserID, Name, Type, Fingerprint, PublicKey string
	CreatedAt                                  time.Time
}
