// Package pack keeps texts that resemble each other, such as the JSON of a
// thousand payments, in little space: what a text has in common with a dictionary
// costs a few bytes. It is quick enough to be used before every write (a
// microsecond for a kilobyte), and writes wait for the disk.
package pack

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"
)

// textMax bounds what is unpacked, so that damage does not become a request for
// all memory.
const textMax = 16 << 20

// worthwhile is the size from which texts are packed.
const worthwhile = 128

// Dictionary packs texts. What was packed with a dictionary can be read only with
// the same one, so its text never changes: a better one gets another number.
type Dictionary struct {
	number byte
	words  *s2.Dict
}

// New makes a dictionary of up to 64 KiB of typical text, the most typical last.
// The number, from 1 to 8, marks what it packed. It panics on what cannot be a
// dictionary: they are part of the program.
func New(number byte, text []byte) *Dictionary {
	words := s2.MakeDict(text, nil)
	if words == nil || number < 1 || number > 8 {
		panic(fmt.Sprintf("pack: no dictionary can be made of %d bytes under number %d", len(text), number))
	}
	return &Dictionary{number: number, words: words}
}

var scratch = sync.Pool{New: func() any { return new([]byte) }}

// Pack returns a text in its packed form, or a copy of the text if that is not
// shorter. A text must not begin with a control character below 9, as JSON never
// does.
func (d *Dictionary) Pack(text []byte) []byte {
	if len(text) < worthwhile || len(text) > textMax {
		return slices.Clone(text)
	}
	buf := scratch.Get().(*[]byte)
	defer scratch.Put(buf)
	if n := 1 + s2.MaxEncodedLen(len(text)); cap(*buf) < n {
		*buf = make([]byte, n)
	}
	*buf = (*buf)[:cap(*buf)]
	(*buf)[0] = d.number
	packed := d.words.Encode((*buf)[1:], text)
	if 1+len(packed) >= len(text) {
		return slices.Clone(text)
	}
	return slices.Clone((*buf)[:1+len(packed)])
}

// Unpack returns the text that Pack was given. It fails on what another dictionary
// packed, and on damage.
func (d *Dictionary) Unpack(packed []byte) ([]byte, error) {
	switch {
	case len(packed) == 0 || packed[0] > 8:
		return packed, nil // it is the text itself
	case packed[0] != d.number:
		return nil, fmt.Errorf("pack: packed with dictionary %d, and this is %d", packed[0], d.number)
	}
	n, err := s2.DecodedLen(packed[1:])
	if err == nil && n > textMax {
		err = errors.New("too long")
	}
	var text []byte
	if err == nil {
		text, err = d.words.Decode(nil, packed[1:])
	}
	if err != nil {
		return nil, fmt.Errorf("pack: damaged: %w", err)
	}
	return text, nil
}
