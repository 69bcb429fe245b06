package report

import (
	"crypto/pbkdf2"
	"crypto/sha256"

	"golang.org/x/crypto/ssh"
)

// AccessKind is the kind of credential that lets somebody read a merchant's
// reports.
const AccessKind = "reports"

// passwordRounds makes guessing a password from its hash slow.
const passwordRounds = 100_000

// PasswordHash is how a user's password is known.
func PasswordHash(user, password string) []byte {
	h, err := pbkdf2.Key(sha256.New, password, []byte("ducat reports\x00"+user), passwordRounds, sha256.Size)
	if err != nil {
		panic("report: " + err.Error()) // only for lengths that are not ours
	}
	return h
}

// KeyHash is how a user's key is known.
func KeyHash(user string, key ssh.PublicKey) []byte {
	sum := sha256.Sum256([]byte("ducat reports key\x00" + user + "\x00" + string(key.Marshal())))
	return sum[:]
}

// AuthorizedKeyHash is KeyHash of a key in a line of an authorized_keys file.
func AuthorizedKeyHash(user, line string) ([]byte, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return nil, err
	}
	return KeyHash(user, key), nil
}
