package identity

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"

	//lint:ignore SA1019 bcrypt is made of it, and bcrypt_sha256 must choose bcrypt's salt
	"golang.org/x/crypto/blowfish"
)

// The ways of hashing a password. The first four are Keystone's, in its stored
// forms, so that hashes can be brought over as they are.
const (
	algBcrypt       = "bcrypt"
	algBcryptSHA256 = "bcrypt_sha256"
	algScrypt       = "scrypt"
	algPBKDF2       = "pbkdf2_sha512"
	algArgon2id     = "argon2id"
)

// costs are each algorithm's default cost and its bounds: bcrypt's logarithm of
// rounds, scrypt's logarithm of N, PBKDF2's rounds, Argon2's passes.
var costs = map[string]struct{ usual, low, high int }{
	algBcrypt: {12, 4, 20}, algBcryptSHA256: {12, 4, 20}, algScrypt: {16, 1, 22}, algPBKDF2: {60000, 1, 10_000_000}, algArgon2id: {3, 1, 1000},
}

// bcryptMax is how many bytes bcrypt looks at.
const bcryptMax = 72

// recipe is how a hash is made: everything but the password.
type recipe struct {
	algorithm string
	cost      int
	block     int    // scrypt's r
	parallel  int    // scrypt's p, Argon2's lanes
	memoryKiB uint32 // Argon2
	version   string // bcrypt's letter, as 2b
	salt      []byte
	digest    []byte // what a matching password gives
	stored    string // bcrypt's whole text
}

var errHashForm = errors.New("not a stored password hash of a known form")

// parseHash reads a stored hash.
//
// Source: keystone/common/password_hashers; the PHC string format for argon2id.
func parseHash(stored string) (recipe, error) {
	parts := strings.Split(stored, "$")
	if len(parts) < 4 || parts[0] != "" {
		return recipe{}, errHashForm
	}
	var r recipe
	var err error
	switch parts[1] {
	case "2", "2a", "2b", "2y":
		r = recipe{algorithm: algBcrypt, version: parts[1], stored: stored}
		r.cost, err = bcrypt.Cost([]byte(stored))
	case "bcrypt-sha256":
		r, err = parseBcryptSHA256(parts[2:])
	case "scrypt":
		r, err = parseScrypt(parts[2:])
	case "pbkdf2-sha512":
		r, err = parsePBKDF2(parts[2:])
	case "argon2id":
		r, err = parseArgon2(parts[2:])
	default:
		err = errHashForm
	}
	if err != nil {
		return recipe{}, errHashForm
	}
	if c := costs[r.algorithm]; r.cost < c.low || r.cost > c.high {
		return recipe{}, errHashForm
	}
	return r, nil
}

// parameters reads "ln=16,r=8,p=1".
func parameters(text string) map[string]int {
	out := map[string]int{}
	for p := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(p, "=")
		if n, err := strconv.Atoi(value); err == nil {
			out[name] = n
		}
	}
	return out
}

func parseBcryptSHA256(parts []string) (recipe, error) {
	if len(parts) != 3 || !strings.Contains(parts[0], "v=2,") || len(parts[1]) != 22 || len(parts[2]) != 31 {
		return recipe{}, errHashForm
	}
	version := "2b"
	if strings.Contains(parts[0], "t=2a") {
		version = "2a"
	}
	cost := parameters(parts[0])["r"]
	return recipe{algorithm: algBcryptSHA256, version: version, cost: cost, salt: []byte(parts[1]), stored: fmt.Sprintf("$%s$%02d$%s%s", version, cost, parts[1], parts[2])}, nil
}

func parseScrypt(parts []string) (recipe, error) {
	if len(parts) != 3 {
		return recipe{}, errHashForm
	}
	p := parameters(parts[0])
	r := recipe{algorithm: algScrypt, cost: p["ln"], block: p["r"], parallel: p["p"]}
	if r.block < 1 || r.block > 64 || r.parallel < 1 || r.parallel > 16 {
		return recipe{}, errHashForm
	}
	return r.with(parts[1], parts[2])
}

func parsePBKDF2(parts []string) (recipe, error) {
	if len(parts) != 3 {
		return recipe{}, errHashForm
	}
	rounds, err := strconv.Atoi(parts[0])
	if err != nil {
		return recipe{}, err
	}
	return recipe{algorithm: algPBKDF2, cost: rounds}.with(parts[1], parts[2])
}

func parseArgon2(parts []string) (recipe, error) {
	if len(parts) != 4 || parts[0] != "v=19" {
		return recipe{}, errHashForm
	}
	p := parameters(parts[1])
	if p["m"] < 8 || p["m"] > 1<<22 || p["p"] < 1 || p["p"] > 16 {
		return recipe{}, errHashForm
	}
	return recipe{algorithm: algArgon2id, cost: p["t"], memoryKiB: uint32(p["m"]), parallel: p["p"]}.with(parts[2], parts[3])
}

// with decodes salt and digest; older hashes spell + as a dot.
func (r recipe) with(salt, digest string) (recipe, error) {
	var err error
	if r.salt, err = base64.RawStdEncoding.DecodeString(strings.ReplaceAll(salt, ".", "+")); err != nil {
		return r, err
	}
	if r.digest, err = base64.RawStdEncoding.DecodeString(strings.ReplaceAll(digest, ".", "+")); err != nil || len(r.digest) < 16 {
		return r, errHashForm
	}
	return r, nil
}

// memory is how much a computation holds, in MiB.
func (r recipe) memory() int64 {
	switch r.algorithm {
	case algScrypt:
		return max(1, int64(128)*int64(r.block)<<r.cost>>20)
	case algArgon2id:
		return max(1, int64(r.memoryKiB)>>10)
	}
	return 0
}

// alike tells whether a hash was made as want says.
func (r recipe) alike(want recipe) bool {
	return r.algorithm == want.algorithm && r.cost == want.cost && r.block == want.block && r.parallel == want.parallel && r.memoryKiB == want.memoryKiB
}

// looks is how often a password is hashed to compare it, which must not depend on
// whose it is: bcrypt knows two readings of one that is over its length.
func (r recipe) looks(password []byte) int {
	if len(password) > bcryptMax && (r.algorithm == algBcrypt || r.algorithm == algBcryptSHA256) {
		return 2
	}
	return 1
}

// matches compares in constant time; n is which look it is.
func (r recipe) matches(password []byte, n int) bool {
	switch r.algorithm {
	case algBcrypt:
		if len(password) > bcryptMax {
			// Ours of before bcrypt_sha256 was here, and Keystone's.
			sum := sha256.Sum256(password)
			password = [][]byte{sum[:], password[:bcryptMax]}[n]
		}
		return bcrypt.CompareHashAndPassword([]byte(r.stored), password) == nil
	case algBcryptSHA256:
		return bcrypt.CompareHashAndPassword([]byte(r.stored), digested(r.salt, password)) == nil
	}
	return subtle.ConstantTimeCompare(r.derive(password, len(r.digest)), r.digest) == 1
}

// derive computes the digest of the forms that have one apart from their text.
func (r recipe) derive(password []byte, size int) []byte {
	switch r.algorithm {
	case algScrypt:
		out, err := scrypt.Key(password, r.salt, 1<<r.cost, r.block, r.parallel, size)
		if err != nil {
			return nil // parameters that cannot be: matches nothing
		}
		return out
	case algPBKDF2:
		out, err := pbkdf2.Key(sha512.New, string(password), r.salt, r.cost, size)
		if err != nil {
			return nil
		}
		return out
	case algArgon2id:
		return argon2.IDKey(password, r.salt, uint32(r.cost), r.memoryKiB, uint8(r.parallel), uint32(size))
	}
	return nil
}

// fresh hashes a password with a new salt.
func (r recipe) fresh(password []byte) (string, error) {
	r.salt = make([]byte, 16)
	if _, err := rand.Read(r.salt); err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding.EncodeToString
	switch r.algorithm {
	case algBcrypt:
		if len(password) <= bcryptMax {
			out, err := bcrypt.GenerateFromPassword(password, r.cost)
			if err != nil {
				return "", err
			}
			return "$2b" + strings.TrimPrefix(string(out), "$2a"), nil // the same algorithm, by Keystone's name
		}
		return r.freshBcryptSHA256(password)
	case algBcryptSHA256:
		return r.freshBcryptSHA256(password)
	case algScrypt:
		return fmt.Sprintf("$scrypt$ln=%d,r=%d,p=%d$%s$%s", r.cost, r.block, r.parallel, b64(r.salt), b64(r.derive(password, 32))), nil
	case algPBKDF2:
		return fmt.Sprintf("$pbkdf2-sha512$%d$%s$%s", r.cost, b64(r.salt), b64(r.derive(password, 64))), nil
	}
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", r.memoryKiB, r.cost, r.parallel, b64(r.salt), b64(r.derive(password, 32))), nil
}

// bcryptText is bcrypt's alphabet of base64.
var bcryptText = base64.NewEncoding("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").WithPadding(base64.NoPadding)

// digested is what bcrypt_sha256 gives to bcrypt in place of the password.
func digested(salt, password []byte) []byte {
	m := hmac.New(sha256.New, salt)
	m.Write(password)
	return []byte(base64.StdEncoding.EncodeToString(m.Sum(nil)))
}

// freshBcryptSHA256 keeps every byte of a password that bcrypt would cut.
func (r recipe) freshBcryptSHA256(password []byte) (string, error) {
	salt := bcryptText.EncodeToString(r.salt)
	out, err := bcryptWith(digested([]byte(salt), password), r.salt, r.cost)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$bcrypt-sha256$v=2,t=2b,r=%d$%s$%s", r.cost, salt, bcryptText.EncodeToString(out)), nil
}

// bcryptWith is bcrypt with a salt that is known before: Provos and Mazières, "A
// Future-Adaptable Password Scheme".
func bcryptWith(key, salt []byte, cost int) ([]byte, error) {
	key = append(key[:len(key):len(key)], 0)
	c, err := blowfish.NewSaltedCipher(key, salt)
	if err != nil {
		return nil, err
	}
	for range uint64(1) << cost {
		blowfish.ExpandKey(key, c)
		blowfish.ExpandKey(salt, c)
	}
	text := []byte("OrpheanBeholderScryDoubt")
	for i := 0; i < len(text); i += blowfish.BlockSize {
		for range 64 {
			c.Encrypt(text[i:i+blowfish.BlockSize], text[i:i+blowfish.BlockSize])
		}
	}
	return text[:23], nil
}
