package wire

import (
	"altostack/identity"
	"altostack/kernel/config"
)

// hashing is how passwords are kept.
func hashing(c *config.Config) identity.Hashing {
	return identity.Hashing{Algorithm: c.String("password_hash_algorithm"), Cost: c.Int("password_cost"), Argon2MiB: c.Int("password_argon2_mib"),
		MemoryMiB: c.Int("password_hash_memory_mib"), MaxLength: c.Int("max_password_length"), Strict: c.Bool("strict_password_check"), Queue: c.Int("password_hash_queue")}
}

// compliance are the rules for accounts and passwords.
func compliance(c *config.Config) identity.Compliance {
	return identity.Compliance{LockoutAttempts: c.Int("lockout_failure_attempts"), LockoutDuration: c.Duration("lockout_duration"),
		InactiveDays: c.Int("disable_user_account_days_inactive"), ExpiresDays: c.Int("password_expires_days"), UniqueCount: c.Int("unique_last_password_count"),
		MinimumAgeDays: c.Int("minimum_password_age"), Regex: c.String("password_regex"), RegexInWords: c.String("password_regex_description"),
		ChangeAtFirst: c.Bool("change_password_upon_first_use")}
}

// limits bound failed authentications.
func limits(c *config.Config) identity.Limits {
	return identity.Limits{PerAddress: c.Int("auth_failures_per_address"), PerAccount: c.Int("auth_failures_per_account")}
}
