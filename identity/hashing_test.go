package identity

import (
	"context"
	"crypto/sha256"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/fault"
)

func testHasher(t *testing.T, cfg Hashing) *hasher {
	t.Helper()
	h, err := newHasher(cfg, 2, -1, clock.Real{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Hashes that other programs made, Keystone's among them, of "password".
func TestHashesOfKeystoneAreTaken(t *testing.T) {
	old, err := bcrypt.GenerateFromPassword([]byte("password"), 4)
	if err != nil {
		t.Fatal(err)
	}
	h := testHasher(t, Hashing{Cost: 4})
	for name, stored := range map[string]string{
		"bcrypt by passlib":        "$2b$12$GhvMmNVjRW29ulnudl.LbuAnUtN/LRfe1JsBm1Xu6LE3059z5Tr8m",
		"bcrypt of this cloud":     string(old),
		"bcrypt_sha256 by passlib": "$bcrypt-sha256$v=2,t=2b,r=12$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2",
		"scrypt by passlib":        "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
		"pbkdf2_sha512 by hashlib": "$pbkdf2-sha512$1000$c2FsdHNhbHRzYWx0c2FsdA$715rqIr5dXOVPpBhqqsugl037zT5bWJTWYmZtIcK8hBnisKpwfY7kokvwjDrNHqHhF50Pb7MD6HvkJwiDQw4ww",
		"with dots for pluses":     "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD.iCs5E",
	} {
		for password, want := range map[string]bool{"password": true, "Password": false, "": false} {
			if same, err := h.matches(t.Context(), stored, password); err != nil || same != want {
				t.Errorf("%s, %q: %t, %v", name, password, same, err)
			}
		}
	}
}

func TestHashesOfEachAlgorithm(t *testing.T) {
	long := strings.Repeat("long ", 30)
	for algorithm, want := range map[string]struct {
		cost    int
		prefix  string
		forLong string
	}{
		algBcrypt: {4, "$2b$04$", "$bcrypt-sha256$v=2,t=2b,r=4$"}, algBcryptSHA256: {4, "$bcrypt-sha256$v=2,t=2b,r=4$", ""}, algScrypt: {4, "$scrypt$ln=4,r=8,p=1$", ""},
		algPBKDF2: {10, "$pbkdf2-sha512$10$", ""}, algArgon2id: {1, "$argon2id$v=19$m=1024,t=1,p=1$", ""},
	} {
		h := testHasher(t, Hashing{Algorithm: algorithm, Cost: want.cost, Argon2MiB: 1})
		for _, password := range []string{"", "short", strings.Repeat("x", 72), long, "päßwörd"} {
			stored, err := h.hash(t.Context(), password)
			if err != nil {
				t.Fatal(err)
			}
			prefix := want.prefix
			if len(password) > 72 && want.forLong != "" {
				prefix = want.forLong
			}
			if !strings.HasPrefix(stored, prefix) {
				t.Errorf("%s: %s", algorithm, stored)
			}
			for _, try := range []string{password, "y" + password, "other"} {
				if v, err := h.check(t.Context(), stored, try); err != nil || v.same != (try == password) || v.stale {
					t.Errorf("%s of %q, %q: %+v, %v", algorithm, password, try, v, err)
				}
			}
		}
	}
}

// bcrypt looks at 72 bytes: Keystone cuts there, this cloud once took a digest,
// and keeps every byte now.
func TestPasswordsOver72Bytes(t *testing.T) {
	h := testHasher(t, Hashing{Cost: 4})
	long := strings.Repeat("a", 72) + "tail"
	cut, err := bcrypt.GenerateFromPassword([]byte(long[:72]), 4)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(long))
	digested, err := bcrypt.GenerateFromPassword(sum[:], 4)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := h.check(t.Context(), string(cut), long); err != nil || !v.same || v.stale {
		t.Errorf("Keystone's: %+v, %v", v, err)
	}
	if v, err := h.check(t.Context(), string(digested), long); err != nil || !v.same || !v.stale {
		t.Errorf("ours of before: %+v, %v", v, err)
	}
	strict := testHasher(t, Hashing{Cost: 4, Strict: true})
	if _, err := strict.hash(t.Context(), long); !fault.Has(err, fault.CodeIdentityForbidden) || !strings.Contains(err.Error(), "The password length must be less than or equal to 72.") {
		t.Errorf("strict: %v", err)
	}
	short := testHasher(t, Hashing{Cost: 4, MaxLength: 8})
	stored, err := short.hash(t.Context(), "12345678")
	if err != nil {
		t.Fatal(err)
	}
	if same, err := short.matches(t.Context(), stored, "123456789"); err != nil || !same {
		t.Errorf("max_password_length cuts: %t, %v", same, err)
	}
}

// What is no hash, or would take more memory than there is, costs what a wrong
// password costs, and never matches.
func TestHashesThatCannotBe(t *testing.T) {
	h := testHasher(t, Hashing{Cost: 4})
	for _, stored := range []string{"", "x", "plain", "$", "$$$", "$1$salt$hash", "$2x$04$......................................................", "$2b$31$GhvMmNVjRW29ulnudl.LbuAnUtN/LRfe1JsBm1Xu6LE3059z5Tr8m", "$scrypt$ln=22,r=8,p=1$aa$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
		"$scrypt$ln=16$aa$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E", "$scrypt$ln=16,r=8,p=1$aa$", "$pbkdf2-sha512$0$aa$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E", "$argon2id$v=19$m=4194304,t=1,p=1$aaaaaaaa$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E", "$bcrypt-sha256$v=1$a$b"} {
		before := h.computed.Load()
		if same, err := h.matches(t.Context(), stored, "plain"); same || err != nil || h.computed.Load() != before+1 {
			t.Errorf("%q: %t, %v, %d hashes", stored, same, err, h.computed.Load()-before)
		}
	}
	for _, cfg := range []Hashing{{Algorithm: "md5"}, {Cost: 3}, {Cost: 40}, {Algorithm: algScrypt, Cost: 20}, {Algorithm: algArgon2id, Argon2MiB: 512}} {
		if _, err := newHasher(cfg, 1, 0, clock.Real{}); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

// Who finds the queue full is refused at once; one address cannot fill it alone.
func TestTheQueueOfHashesHasAnEnd(t *testing.T) {
	h := testHasher(t, Hashing{Cost: 4, Queue: 4})
	for range cap(h.seats) { // every core is taken
		h.seats <- struct{}{}
	}
	from := func(address string) context.Context {
		return auth.Attempting(t.Context(), &auth.Attempt{Address: address})
	}
	done := make(chan error, 4)
	wait := func(ctx context.Context) { _, err := h.matches(ctx, "", "x"); done <- err }
	queued := func(n int64) {
		for h.waiting.Load() != n {
			runtime.Gosched()
		}
	}
	go wait(from("192.0.2.1"))
	go wait(from("192.0.2.1"))
	queued(2)
	if _, err := h.matches(from("192.0.2.1"), "", "x"); !fault.Has(err, fault.CodeIdentityBusy) || fault.From(err).RetryAfter == 0 {
		t.Errorf("the third of an address: %v", err)
	}
	go wait(from("192.0.2.2"))
	go wait(from("192.0.2.3"))
	queued(4)
	if _, err := h.matches(from("192.0.2.4"), "", "x"); !fault.Has(err, fault.CodeIdentityBusy) {
		t.Errorf("beyond the end: %v", err)
	}
	<-h.seats
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if len(h.from) != 0 || h.waiting.Load() != 0 {
		t.Errorf("left behind: %v, %d", h.from, h.waiting.Load())
	}
}

// Who waited for as long as anybody should is told to come again; refusals of one
// second are one event.
func TestPatienceHasAnEnd(t *testing.T) {
	v := clock.NewVirtual(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	h, err := newHasher(Hashing{Cost: 4, Queue: 1}, 1, -1, v)
	if err != nil {
		t.Fatal(err)
	}
	h.seats <- struct{}{}
	done := make(chan error, 1)
	go func() { _, err := h.matches(t.Context(), "", "x"); done <- err }()
	for h.waiting.Load() != 1 {
		runtime.Gosched()
	}
	var kept []bool
	for range 2 {
		at := &auth.Attempt{}
		if _, err := h.matches(auth.Attempting(t.Context(), at), "", "x"); !fault.Has(err, fault.CodeIdentityBusy) {
			t.Errorf("beyond the end: %v", err)
		}
		kept = append(kept, !at.Unrecorded)
	}
	if !kept[0] || kept[1] {
		t.Errorf("on record: %v", kept)
	}
	for len(done) == 0 {
		v.Advance(patience)
		runtime.Gosched()
	}
	if err := <-done; !fault.Has(err, fault.CodeIdentityBusy) {
		t.Errorf("who waited: %v", err)
	}
}

func TestPasswordPatterns(t *testing.T) {
	tests := []struct {
		pattern, password string
		want              bool
	}{
		{"", "anything", true},
		{`^(?=.*\d)(?=.*[a-zA-Z]).{7,}$`, "abc123", false},
		{`^(?=.*\d)(?=.*[a-zA-Z]).{7,}$`, "abcd123", true},
		{`^(?=.*\d)(?=.*[a-zA-Z]).{7,}$`, "abcdefgh", false},
		{`^(?!.*(pass|word))(?=.*[)(]).+`, "a(b", true},
		{`^(?!.*(pass|word))(?=.*[)(]).+`, "pass(", false},
		{`[a-z]{3}`, "abc1", true}, // as re.match: from the start, not to the end
		{`[a-z]{3}`, "1abc", false},
		{`(?=.*[]x])a`, "a]", true},
	}
	for _, tt := range tests {
		p, err := parsePattern(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.matches(tt.password); got != tt.want {
			t.Errorf("%s against %q: %t", tt.pattern, tt.password, got)
		}
	}
	for _, bad := range []string{"(", "(?=a", `(a)\1`, "a(?=b)", "(?<=a)b"} {
		if _, err := parsePattern(bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestBucketsAreBounded(t *testing.T) {
	v := clock.NewVirtual(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	th := newThrottle(Limits{PerAddress: 2}, v)
	worn := &auth.Attempt{Address: "192.0.2.1"}
	for range 2 {
		if _, err := th.take(worn, ""); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 * maxBuckets {
		if _, err := th.take(&auth.Attempt{Address: string(rune('a'+i%26)) + time.Duration(i).String()}, ""); err != nil {
			t.Fatal(err)
		}
	}
	if len(th.buckets) > maxBuckets {
		t.Errorf("%d buckets", len(th.buckets))
	}
	for _, one := range [][2]string{{"2001:db8::1", "2001:db8::ffff"}, {"::ffff:192.0.2.9", "192.0.2.9"}} {
		if place(one[0]) != place(one[1]) {
			t.Errorf("%s and %s count apart", one[0], one[1])
		}
	}
}
