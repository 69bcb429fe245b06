package multisafepay

import (
	"crypto/aes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ducatpay/ducat/internal/id"
)

// TestBlocks: a block of the cipher survives being written in letters and digits,
// and no text that says more than a block is read.
func TestBlocks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		b := [aes.BlockSize]byte(rapid.SliceOfN(rapid.Byte(), aes.BlockSize, aes.BlockSize).Draw(rt, "block"))
		text := blockText(b)
		if got, ok := textBlock(text); !ok || got != b || len(text) != blockLen {
			rt.Fatalf("%x is written %s and read %x (%v)", b, text, got, ok)
		}
	})
	all := [aes.BlockSize]byte([]byte(strings.Repeat("\xff", aes.BlockSize)))
	last := blockText(all)
	for _, text := range []string{last[:blockLen-1] + string(last[blockLen-1]+1), "8" + last[1:], strings.Repeat("z", blockLen), last[1:] + "-", last[1:] + "\x80"} {
		if b, ok := textBlock(text); ok {
			t.Errorf("%s is read %x", text, b)
		}
	}
}

// TestSessionsSpeakToUs: a session says which order it is of to whoever has the
// secret, and something else to everyone else.
func TestSessionsSpeakToUs(t *testing.T) {
	t.Parallel()
	ours, others := newSecrets(nil, []byte("a")), newSecrets(nil, []byte("b"))
	const psp = "1789002000123045"
	seen := map[string]bool{}
	for range 100 {
		session := ours.session(id.System(), 7, psp)
		if got, ok := ours.psp(session); !ok || got != psp || len(session) != sessionLen || seen[session] {
			t.Fatalf("%s speaks of %s (%v)", session, got, ok)
		}
		seen[session] = true
		if got, ok := others.psp(session); ok && got == psp {
			t.Errorf("%s says %s to others", session, got)
		}
		if world, ok := sessionWorld(session); !ok || world != 7 {
			t.Errorf("%s leads to world %d (%v)", session, world, ok)
		}
	}
	for _, s := range []string{"", "13", strings.Repeat("0", sessionLen+1), fmt.Sprintf("13%s%s", strings.Repeat("z", blockLen), worldText(7))} {
		if psp, ok := ours.psp(s); ok {
			t.Errorf("%q speaks of %s", s, psp)
		}
	}
}
