package multisafepay

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// A session names an order to its payer, who needs no more than that: two digits,
// then letters and digits, of which the last eleven find the world (reference §2).
// Those between them are one block of a cipher, in which the order's PSP id stands
// beside chance: to everyone else they are 128 random bits, and we find the order
// without an index of random names, in which every order would write a page of its
// own. The order's row has the whole session, and decides.
//
// A wallet id names a transaction at its method's page in the same way: exc_ and 32
// hexadecimal digits (reference §2), a block in which the world stands as well.
const (
	sessionLen = 35
	blockLen   = 22
	worldLen   = 11
	letters    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	pspBytes   = 7 // that sixteen digits need
)

// secrets are what all nodes agree on and nobody else knows.
type secrets struct {
	events []byte       // what events tokens are signed with
	names  cipher.Block // what sessions and wallet ids are written in
}

// secrets reads them once. It is called outside of transactions.
func (a *API) secrets(ctx context.Context) (*secrets, error) {
	if s := a.known.Load(); s != nil {
		return s, nil
	}
	events, err := a.engine.Store.Setting(ctx, "multisafepay.events_secret", []byte(a.engine.IDs.Random(43)))
	if err != nil {
		return nil, err
	}
	sessions, err := a.engine.Store.Setting(ctx, "multisafepay.session_secret", []byte(a.engine.IDs.Random(43)))
	if err != nil {
		return nil, err
	}
	s := newSecrets(events, sessions)
	a.known.Store(s)
	return s, nil
}

func newSecrets(events, sessions []byte) *secrets {
	key := sha256.Sum256(sessions)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // of a key of another length
	}
	return &secrets{events: events, names: block}
}

// session names a session: of a world's order with a PSP id.
func (s *secrets) session(chance *id.Source, world int64, psp string) string {
	var b [aes.BlockSize]byte
	putPSP(b[:], psp)
	copy(b[pspBytes:], chance.Random(len(b)-pspBytes))
	s.names.Encrypt(b[:], b[:])
	return digitsOf(chance.Random(sessionLen-blockLen-worldLen)) + blockText(b) + worldText(world)
}

// psp is the PSP id that a session speaks of; every text of a session's length
// speaks of some order, which need not be there.
func (s *secrets) psp(session string) (string, bool) {
	if len(session) != sessionLen {
		return "", false
	}
	b, ok := textBlock(session[sessionLen-worldLen-blockLen : sessionLen-worldLen])
	if !ok {
		return "", false
	}
	s.names.Decrypt(b[:], b[:])
	return readPSP(b[:]), true
}

// putPSP writes a PSP id of ours at the beginning of eight bytes, the last of which
// is left zero.
func putPSP(b []byte, psp string) {
	n, err := strconv.ParseUint(psp, 10, 64)
	if err != nil {
		panic(err)
	}
	binary.BigEndian.PutUint64(b, n<<(64-8*pspBytes))
}

// readPSP reads what putPSP wrote.
func readPSP(b []byte) string {
	return fmt.Sprintf("%016d", binary.BigEndian.Uint64(b)>>(64-8*pspBytes))
}

// walletPrefix begins a wallet id.
const walletPrefix = "exc_"

// wallet names a world's transaction with a PSP id at its method's page.
func (s *secrets) wallet(chance *id.Source, world int64, psp string) string {
	var b [aes.BlockSize]byte
	binary.BigEndian.PutUint64(b[:8], uint64(world))
	putPSP(b[8:], psp)
	copy(b[8+pspBytes:], chance.Random(1))
	s.names.Encrypt(b[:], b[:])
	return walletPrefix + hex.EncodeToString(b[:])
}

// walletPSP is the world and the PSP id that a wallet id speaks of, which need not be
// there.
func (s *secrets) walletPSP(name string) (world int64, psp string, ok bool) {
	digits, ok := strings.CutPrefix(name, walletPrefix)
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != aes.BlockSize {
		return 0, "", false
	}
	s.names.Decrypt(b, b)
	n := binary.BigEndian.Uint64(b[:8])
	return int64(n), readPSP(b[8:]), n <= math.MaxInt64
}

// transaction finds the transaction of a wallet id. Those of former versions say
// nothing but their world, and are found by a key of their transactions' rows.
func (s *secrets) transaction(r store.Reader, name string) (resource.Row, transaction, error) {
	if _, psp, ok := s.walletPSP(name); ok {
		row, tx, err := transactionOf(r, psp)
		if err == nil && subtle.ConstantTimeCompare([]byte(tx.Wallet), []byte(name)) == 1 {
			return row, tx, nil
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return row, tx, err
		}
	}
	row, err := r.ResourceBy(kindTransaction, "wallet", name)
	if err != nil {
		return row, transaction{}, err
	}
	tx, err := resource.Decode[transaction](row)
	return row, tx, err
}

// order finds the order of a session. Sessions of former versions say nothing, and
// are found by a key of their orders' rows.
func (s *secrets) order(r store.Reader, session string) (resource.Row, order, error) {
	if psp, ok := s.psp(session); ok {
		row, o, err := readOrder(r.Resource(kindOrder, psp))
		if err == nil && subtle.ConstantTimeCompare([]byte(o.Session), []byte(session)) == 1 {
			return row, o, nil
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return row, o, err
		}
	}
	return readOrder(r.ResourceBy(kindOrder, "session", session))
}

// blockText writes a block in letters and digits.
func blockText(b [aes.BlockSize]byte) string {
	high, low := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	var text [blockLen]byte
	for i := blockLen - 1; i >= 0; i-- {
		var rest uint64
		high, rest = bits.Div64(0, high, uint64(len(letters)))
		low, rest = bits.Div64(rest, low, uint64(len(letters)))
		text[i] = letters[rest]
	}
	return string(text[:])
}

// textBlock reads what blockText wrote.
func textBlock(text string) (b [aes.BlockSize]byte, ok bool) {
	var high, low uint64
	for i := range len(text) {
		digit := strings.IndexByte(letters, text[i])
		over, h := bits.Mul64(high, uint64(len(letters)))
		up, l := bits.Mul64(low, uint64(len(letters)))
		var carry uint64
		low, carry = bits.Add64(l, uint64(max(digit, 0)), 0)
		high, carry = bits.Add64(h, up, carry)
		if digit < 0 || over+carry > 0 {
			return b, false
		}
	}
	binary.BigEndian.PutUint64(b[:8], high)
	binary.BigEndian.PutUint64(b[8:], low)
	return b, true
}

// worldText writes a merchant's id in eleven letters and digits.
func worldText(id int64) string {
	b := make([]byte, worldLen)
	for i := worldLen - 1; i >= 0; i-- {
		b[i] = letters[id%62]
		id /= 62
	}
	return string(b)
}

// sessionWorld returns the merchant of a session id.
func sessionWorld(s string) (int64, bool) {
	if len(s) != sessionLen {
		return 0, false
	}
	var n uint64
	for _, c := range s {
		i := strings.IndexRune(letters, c)
		if i < 0 {
			return 0, false
		}
	}
	for _, c := range s[sessionLen-worldLen:] {
		n = n*62 + uint64(strings.IndexRune(letters, c))
	}
	return int64(n), n <= 1<<63-1
}

// formerWorld returns the merchant of a wallet id of former versions, whose first half
// it was.
func formerWorld(s string) (int64, bool) {
	digits, ok := strings.CutPrefix(s, walletPrefix)
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != aes.BlockSize || b[0] > 0x7f {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(b)), true
}
